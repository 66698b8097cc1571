"""Sentences for benchmarks of text: real ones, each once, always the same."""

from supple.bench.sentences import documentation_sentences


def test_python_documents_itself_in_hundreds_of_sentences():
    found = documentation_sentences()
    assert len(found) > 500
    assert len(set(found)) == len(found)
    assert all(40 <= len(sentence) <= 160 and sentence[0].isupper() for sentence in found)
    assert found == documentation_sentences()
