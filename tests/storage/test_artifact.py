"""Sealed folders: any damage is found before use, and a hostile manifest is refused."""

import hashlib
import json
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from supple.errors import SuppleError
from supple.storage import Manifest, RunLock, seal, verify
from supple.storage.artifact import MANIFEST_NAME
from supple.storage.files import TEMPORARY_PREFIX
from supple.storage.json_files import to_text

WEIGHTS = bytes(range(200))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "family"
    (root / "deep").mkdir(parents=True)
    (root / "weights").write_bytes(WEIGHTS)
    (root / "deep" / "notes.txt").write_text("zwölf")
    (root / "empty").touch()
    return root


def rewrite(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the manifest as someone would who knows the format, with a right checksum."""
    content = json.loads((folder / MANIFEST_NAME).read_text())
    del content["checksum"]
    change(content)
    body = to_text(content).removesuffix("\n}\n")
    checksum = hashlib.sha256(body.encode()).hexdigest()
    (folder / MANIFEST_NAME).write_text(f'{body},\n "checksum": "{checksum}"\n}}\n')


def test_the_helper_of_these_tests_makes_right_checksums(folder: Path) -> None:
    seal(folder, "family", {"step": 1})
    rewrite(folder, lambda content: content.update(extra={"step": 2}))
    assert verify(folder, "family").extra == {"step": 2}


def test_what_was_sealed_is_verified(folder: Path) -> None:
    sealed = seal(folder, "family", {"accuracy": 0.9, "classes": ("ä", "b")})
    assert sealed == verify(folder, "family")
    assert sealed.extra == {"accuracy": 0.9, "classes": ["ä", "b"]}
    assert {name: entry.size for name, entry in sealed.files.items()} == {
        "deep/notes.txt": 6,
        "empty": 0,
        "weights": 200,
    }


def test_a_folder_that_is_left_out_may_change_after_sealing_and_a_file_of_its_name_below_may_not(folder: Path) -> None:
    (folder / "searches").mkdir()
    (folder / "searches" / "study").touch()
    (folder / "deep" / "searches").write_text("1")
    sealed = seal(folder, "run", leaving_out=("searches",))
    assert set(sealed.files) == {"deep/notes.txt", "deep/searches", "empty", "weights"}
    (folder / "searches" / "study").write_text("more")
    verify(folder, "run")
    (folder / "deep" / "searches").write_text("2")
    with pytest.raises(SuppleError, match="deep/searches"):
        verify(folder, "run")


def test_the_same_content_gives_the_same_manifest(folder: Path) -> None:
    seal(folder, "family", {"a": 1})
    first = (folder / MANIFEST_NAME).read_bytes()
    seal(folder, "family", {"a": 1})
    assert (folder / MANIFEST_NAME).read_bytes() == first


def test_a_listed_file_is_opened_by_the_manifest_and_no_other(folder: Path) -> None:
    manifest = seal(folder, "family")
    (folder / "added").write_text("later")
    assert manifest.path("weights").read_bytes() == WEIGHTS
    with pytest.raises(SuppleError, match=r'^The family in ".*" has no file "added"\.$'):
        verify(folder, "family").path("added")


def test_the_lock_and_temporary_files_are_left_out(folder: Path) -> None:
    (folder / f"{TEMPORARY_PREFIX}01").write_text("half")
    with RunLock(folder):
        (folder / f"{TEMPORARY_PREFIX}02").write_text("half")
        assert seal(folder, "family").files.keys() == {"deep/notes.txt", "empty", "weights"}


def test_an_artifact_inside_another_is_listed_with_its_manifest(folder: Path) -> None:
    seal(folder, "family")
    assert "family/manifest.json" in seal(folder.parent, "run").files


def test_every_single_bit_flip_is_refused(folder: Path) -> None:
    seal(folder, "family", {"accuracy": 1e-9, "name": "ä"})
    flips = 0
    for path in (folder / "weights", folder / "deep" / "notes.txt", folder / MANIFEST_NAME):
        whole = path.read_bytes()
        with path.open("r+b", buffering=0) as file:
            for bit in range(len(whole) * 8):
                os.pwrite(file.fileno(), bytes([whole[bit // 8] ^ 1 << bit % 8]), bit // 8)
                with pytest.raises(SuppleError):
                    verify(folder, "family")
                os.pwrite(file.fileno(), whole[bit // 8 : bit // 8 + 1], bit // 8)
                flips += 1
    assert flips > 5_000
    verify(folder, "family")


def test_every_truncation_is_refused(folder: Path) -> None:
    seal(folder, "family")
    for path in (folder / "weights", folder / "deep" / "notes.txt", folder / MANIFEST_NAME):
        whole = path.read_bytes()
        for length in reversed(range(len(whole))):
            os.truncate(path, length)
            with pytest.raises(SuppleError):
                verify(folder, "family")
        path.write_bytes(whole)


def test_random_damage_to_several_bytes_is_refused(folder: Path) -> None:
    seal(folder, "family", {"numbers": [0.5, 1e-7, 12], "name": "ä"})
    rng = random.Random(3)
    path = folder / MANIFEST_NAME
    whole = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for _ in range(1_000):
            damaged = bytearray(whole)
            for _ in range(rng.randint(1, 8)):
                damaged[rng.randrange(len(damaged))] ^= rng.randrange(1, 256)
            if damaged != whole:
                os.pwrite(file.fileno(), damaged, 0)
                with pytest.raises(SuppleError):
                    verify(folder, "family")


def test_damage_is_named(folder: Path) -> None:
    seal(folder, "family")
    (folder / "weights").write_bytes(WEIGHTS[::-1])
    with pytest.raises(SuppleError, match=r'weights" is damaged: its content is not the one that was sealed'):
        verify(folder, "family")
    (folder / "weights").write_bytes(WEIGHTS + b"x")
    with pytest.raises(SuppleError, match=r'weights" is damaged: it has 201 bytes instead of 200\.'):
        verify(folder, "family")
    (folder / "weights").unlink()
    with pytest.raises(SuppleError, match=r'weights" is missing'):
        verify(folder, "family")


def test_spaces_that_mean_nothing_to_json_are_damage_too(folder: Path) -> None:
    seal(folder, "family")
    path = folder / MANIFEST_NAME
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(SuppleError, match="checksum does not agree"):
        verify(folder, "family")


@pytest.mark.parametrize("missing", ["folder", "manifest"])
def test_an_unfinished_artifact_is_named(folder: Path, missing: str) -> None:
    root = folder if missing == "manifest" else folder / "nowhere"
    with pytest.raises(SuppleError, match=r'^".*" is no finished family: it has no manifest\.json\.$'):
        verify(root, "family")


def test_another_kind_and_another_format_are_named(folder: Path) -> None:
    seal(folder, "run")
    with pytest.raises(SuppleError, match="holds a 'run', not a 'family'"):
        verify(folder, "family")
    rewrite(folder, lambda content: content.update(format=2))
    with pytest.raises(SuppleError, match="has format 2; this version of supple reads format 1"):
        verify(folder, "run")


@pytest.mark.parametrize(
    "name",
    ["../secret", "deep/../../secret", "/etc/hostname", "", ".", "..", "deep//notes.txt", "./weights", "deep/",
     "C:\\secret", "..\\secret", "a\0b", "a\nb", "\ud800"],
)  # fmt: skip
def test_paths_that_leave_the_folder_are_refused(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("secret")
    manifest = seal(folder, "family")
    entry = {"size": 6, "sha256": manifest.files["weights"].sha256}
    rewrite(folder, lambda content: content.update(files={name: entry}))
    with pytest.raises(SuppleError, match="is no path inside its folder"):
        verify(folder, "family")


@pytest.mark.parametrize("linked", ["weights", "deep"])
def test_links_are_refused_even_with_the_right_content(folder: Path, linked: str) -> None:
    seal(folder, "family")
    (folder / linked).rename(folder.parent / "elsewhere")
    (folder / linked).symlink_to(folder.parent / "elsewhere")
    with pytest.raises(SuppleError, match=f'{linked}" is a link'):
        verify(folder, "family")


def test_a_linked_manifest_is_refused(folder: Path) -> None:
    seal(folder, "family")
    (folder / MANIFEST_NAME).rename(folder.parent / "elsewhere.json")
    (folder / MANIFEST_NAME).symlink_to(folder.parent / "elsewhere.json")
    with pytest.raises(SuppleError, match="no finished family"):
        verify(folder, "family")


@pytest.mark.parametrize("special", ["link", "pipe"])
def test_links_and_pipes_are_not_sealed(folder: Path, special: str) -> None:
    if special == "link":
        (folder / "odd").symlink_to("/etc")
    else:
        os.mkfifo(folder / "odd")
    with pytest.raises(SuppleError, match=r'"[^"]*odd" is a link or not an ordinary file'):
        seal(folder, "family")
    assert not (folder / MANIFEST_NAME).exists()


def test_a_pipe_in_place_of_a_file_is_refused_without_waiting(folder: Path) -> None:
    seal(folder, "family")
    (folder / "empty").unlink()
    os.mkfifo(folder / "empty")
    with pytest.raises(SuppleError, match=r'empty" is not a file'):
        verify(folder, "family")


@pytest.mark.parametrize(
    "files",
    [
        [], None, {"weights": None}, {"weights": {}}, {"weights": {"size": 200}},
        {"weights": {"size": -1, "sha256": "0" * 64}}, {"weights": {"size": 10**4000, "sha256": "0" * 64}},
        {"weights": {"size": True, "sha256": "0" * 64}}, {"weights": {"size": 200.0, "sha256": "0" * 64}},
        {"weights": {"size": 200, "sha256": "0" * 63}}, {"weights": {"size": 200, "sha256": "A" * 64}},
        {"weights": {"size": 200, "sha256": 7}}, {"weights": {"size": 200, "sha256": "0" * 64, "more": 1}},
    ],
)  # fmt: skip
def test_a_manifest_of_another_shape_is_refused(folder: Path, files: object) -> None:
    seal(folder, "family")
    rewrite(folder, lambda content: content.update(files=files))
    with pytest.raises(SuppleError, match="is no manifest"):
        verify(folder, "family")


@pytest.mark.parametrize("content", ["[]", "{}", "7", '{"format": 1}', "[" * 100_000, "{", "\x80\x04\x95."])
def test_what_is_no_manifest_is_refused(folder: Path, content: str) -> None:
    (folder / MANIFEST_NAME).write_text(content)
    with pytest.raises(SuppleError, match=r"manifest\.json"):
        verify(folder, "family")


def test_a_manifest_of_17_megabytes_is_refused(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_bytes(b" " * 17 * 1024 * 1024)
    with pytest.raises(SuppleError, match="larger than the 16,777,216 bytes"):
        verify(folder, "family")


def test_a_zip_bomb_is_only_a_file(folder: Path) -> None:
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros", bytes(20_000_000))
    seal(folder, "family")
    entry = verify(folder, "family").files["bomb.zip"]
    assert entry.size < 100_000


def test_notes_that_are_no_json_are_refused(folder: Path) -> None:
    with pytest.raises(SuppleError, match="its notes are not JSON"):
        seal(folder, "family", {"accuracy": float("nan")})
    assert not (folder / MANIFEST_NAME).exists()


def test_a_missing_folder_is_not_sealed(tmp_path: Path) -> None:
    with pytest.raises(SuppleError, match=r'There is no folder ".*nowhere" to seal'):
        seal(tmp_path / "nowhere", "family")


def test_a_name_that_does_not_travel_is_not_sealed(folder: Path) -> None:
    (folder / "a\nb").touch()
    with pytest.raises(SuppleError, match=r"the name 'a\\nb' holds characters that do not travel"):
        seal(folder, "family")


def test_a_disk_that_fills_while_sealing_leaves_no_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SuppleError, match=r'Could not write ".*manifest\.json": No space left on device'):
        seal(folder, "family")
    assert sorted(path.name for path in folder.iterdir()) == ["deep", "empty", "weights"]


def test_a_manifest_is_immutable(folder: Path) -> None:
    manifest = seal(folder, "family")
    assert isinstance(manifest, Manifest)
    with pytest.raises(AttributeError):
        manifest.kind = "run"  # type: ignore[misc]
