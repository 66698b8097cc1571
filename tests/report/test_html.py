"""The report is one page that holds everything, runs nothing of the user's text, and loads nothing."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from supple.errors import SuppleError
from supple.report import Frozen, Level, Note, SearchRecord, write_report, write_search_report
from supple.report.html import render, render_search
from supple.report.search_notes import NO_BASELINE
from supple.searching.wishes import Constraint, Direction, Objective, Sense
from supple.space import Dimension, Kind

HOSTILE = """</script><script>console.error("owned")</script><img src=x onerror="console.error('owned')">'"&{{ 7*7 }}"""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian package chromium)")


class Elements(HTMLParser):
    """Collects the elements of a page with their attributes, and the text outside of scripts."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.text = ""
        self._skipped = None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self._skipped = tag if tag in {"script", "style"} else self._skipped

    def handle_endtag(self, tag):
        self._skipped = None if tag == self._skipped else self._skipped

    def handle_data(self, data):
        self.text += "" if self._skipped else data

    def count(self, tag):
        return sum(name == tag for name, _ in self.found)


def hostile(summary):
    """Return the run with hostile text at every place that takes text."""
    dimension = Dimension(HOSTILE, Kind.WIDTH, (1, 2))
    config = {HOSTILE: 1}
    return replace(
        summary,
        title=HOSTILE,
        created=HOSTILE,
        targets=(HOSTILE,),
        config_yaml=HOSTILE,
        versions={HOSTILE: HOSTILE},
        machines={HOSTILE: {HOSTILE: [HOSTILE]}},
        data=replace(summary.data, name=HOSTILE),
        space=replace(summary.space, dimensions=(dimension,), frozen=(Frozen(HOSTILE, HOSTILE),)),
        search=hostile_search(summary.search),
        members=tuple(replace(m, name=HOSTILE, file_name=HOSTILE, config=config) for m in summary.members),
        loading_code=HOSTILE,
        notes=(Note(Level.CAUTION, HOSTILE),),
    )


def hostile_search(search):
    def member(number, entry):
        return replace(entry, config={HOSTILE: number}, figures={**entry.figures, HOSTILE: entry.figures["macs"]})

    (seed,) = search.seeds
    return replace(
        search,
        searcher=HOSTILE,
        objectives=(*search.objectives, Objective(HOSTILE, Direction.MINIMIZE)),
        constraints=(Constraint(HOSTILE, Sense.AT_LEAST, 0.0),),
        seeds=(
            replace(
                seed,
                searched=tuple(member(number, entry) for number, entry in enumerate(seed.searched, start=1)),
                baseline=tuple(member(-number, entry) for number, entry in enumerate(seed.baseline, start=1)),
            ),
        ),
        latency_spread=HOSTILE,
        warm_start=HOSTILE,
    )


def record_of(summary, **changes):
    """Return the search of a run as one by itself."""
    names = SearchRecord.__dataclass_fields__
    return replace(SearchRecord(**{name: getattr(summary, name) for name in names}), **changes)


def open_in_chromium(path: Path, profile: Path, dark: bool = False) -> tuple[str, list[str]]:
    """Return the page's elements after its scripts ran, and what was logged to the console."""
    assert CHROMIUM is not None
    result = subprocess.run(
        [
            CHROMIUM,
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            f"--user-data-dir={profile}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--window-size=1200,2400",
            "--enable-logging=stderr",
            "--v=0",
            "--virtual-time-budget=4000",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return result.stdout, [line for line in result.stderr.splitlines() if ":CONSOLE" in line]


def plot(dom: str, name: str) -> str:
    """Return the elements of one plot without its legend."""
    return dom.split(f'id="{name}"', 1)[1].split("</figure>", 1)[0].split('class="infolayer"', 1)[0]


@pytest.fixture(scope="module")
def page(summary):
    return render(summary)


@pytest.fixture(scope="module")
def opened(summary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(summary, folder / "report.html")
    return open_in_chromium(folder / "report.html", folder / "profile")


@pytest.fixture(scope="module")
def opened_hostile(summary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    write_report(hostile(summary), folder / "report.html")
    return open_in_chromium(folder / "report.html", folder / "profile", dark=True)


def test_nothing_is_loaded_from_anywhere(page):
    for tag, attributes in Elements(page).found:
        for name in {"src", "href", "srcset", "data", "action", "poster", "background"} & attributes.keys():
            assert attributes[name] == "data:,", f"<{tag}> loads {attributes[name]}"
    style = page.split("<style>", 1)[1].split("</style>", 1)[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_forbids_every_request_and_every_other_script(page):
    (policy,) = (
        attributes["content"]
        for tag, attributes in Elements(page).found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert re.fullmatch(r"'sha256-[\w+/=]+' 'sha256-[\w+/=]+'", rules["script-src"])


def test_plotly_is_inlined_once(page):
    assert page.count("* plotly.js v") == 1


def test_the_page_shows_every_part_of_the_run(page, summary):
    text = Elements(page).text
    for member in summary.members:
        assert member.file_name in text
    for dimension in summary.space.dimensions:
        assert dimension.name in text
    for shown in (
        summary.title,
        *summary.targets,
        summary.config_yaml,
        summary.loading_code,
        summary.space.frozen[0].what,
        summary.space.frozen[0].reason,
        "avx2, avx512f",
        "The run was resumed once.",
        "Fewer MACs show as less time",
    ):
        assert shown in text


def test_the_notes_stand_before_the_plots(page):
    assert page.index('class="caution"') < page.index('class="good"') < page.index('id="plane-1-plot"')


def test_a_dimension_of_a_dropped_block_shows_a_dash(page):
    row = page.split("<code>stages.0.2.hidden</code>", 1)[1].split("</tr>", 1)[0]
    assert re.findall(r'<td class="number">(.*?)</td>', row) == ["–", "–", "32"]  # noqa: RUF001


def test_tables_have_captions_and_scopes(page):
    elements = Elements(page)
    assert elements.count("table") == elements.count("caption") == 5
    assert all("scope" in attributes for tag, attributes in elements.found if tag == "th")


def test_hostile_text_makes_no_elements(summary, page):
    calm, elements = Elements(page), Elements(render(hostile(summary)))
    assert elements.count("img") == 0
    assert elements.count("script") == calm.count("script") == 3
    assert HOSTILE in elements.text


def test_a_search_without_a_baseline_cannot_be_overlooked(summary):
    (seed,) = summary.search.seeds
    alone = replace(summary, search=replace(summary.search, seeds=(replace(seed, baseline=()),)))
    for page in (render(alone), render_search(record_of(alone))):
        assert Elements(page).text.count(NO_BASELINE) == 3  # At the top, among the notes, and in place of the gain.
        assert page.index("Not compared with chance.") < page.index('id="headlines"')
        assert 'id="hypervolume-plot"' not in page
    assert NO_BASELINE not in render(summary)


def test_what_the_searcher_tells_of_itself_stands_below_the_hypervolume(summary):
    seeds = tuple(replace(seed, remarks=("Predictions <hold>",)) for seed in summary.search.seeds)
    text = render(replace(summary, search=replace(summary.search, seeds=seeds)))
    assert "tells of itself: Predictions &lt;hold&gt;." in text
    assert text.index("tells of itself") > text.index('id="hypervolume-plot"')


def test_every_cost_has_a_plane_with_its_gain_and_its_front(summary):
    macs = Objective("macs", Direction.MINIMIZE)
    search = replace(
        summary.search,
        objectives=(*summary.search.objectives, macs),
        constraints=(Constraint("macs", Sense.AT_MOST, 1e7),),
    )
    elements = Elements(render(replace(summary, search=search)))
    assert {"plane-1-plot", "plane-2-plot"} <= {attributes.get("id") for _, attributes in elements.found}
    assert "Accuracy against latency" in elements.text
    assert "Accuracy against MACs" in elements.text
    assert elements.count("table") == elements.count("caption") == 8
    assert 'full breaks "macs <= 1e+07".' in elements.text.replace("\N{NO-BREAK SPACE}", " ")


def test_validation_and_test_are_kept_apart(page):
    text = " ".join(Elements(page).text.split())
    assert "All of it is from the validation split; the test split has no part in it." in text
    assert "Only then was the test split read, once" in text


def test_the_page_of_a_search_by_itself_shows_its_planes_and_that_nothing_was_tested(summary, tmp_path):
    record = record_of(summary, title="Search of a family")
    write_search_report(record, tmp_path / "report.html")
    text = Elements((tmp_path / "report.html").read_text()).text
    for shown in ("Search of a family", "report of a search", "Accuracy against latency", "not read by a search"):
        assert shown in text
    assert "Exported members" not in text


def test_a_run_that_measured_nothing_still_has_a_page(summary):
    empty = replace(
        summary,
        history=(),
        search=replace(summary.search, seeds=()),
        members=(),
        notes=(),
        space=replace(summary.space, dimensions=(), frozen=()),
    )
    text = Elements(render(empty)).text
    assert "No member was evaluated." in text
    assert "No member was exported." in text
    assert "No training was recorded." in text


def test_a_folder_that_does_not_exist_is_named(summary, tmp_path):
    with pytest.raises(SuppleError, match=r"missing/report\.html"):
        write_report(summary, tmp_path / "missing" / "report.html")


@needs_chromium
def test_the_browser_logs_nothing(opened):
    assert opened[1] == []


@needs_chromium
def test_every_point_of_the_front_is_drawn(opened, summary):
    expected = len(summary.search.searched) + len(summary.search.baseline) + len(summary.members)
    assert plot(opened[0], "plane-1-plot").count('class="point"') == expected


@needs_chromium
@pytest.mark.parametrize("name", ["plane-1-plot", "hypervolume-plot", "loss-plot", "accuracy-plot"])
def test_every_plot_has_its_lines(opened, name):
    assert plot(opened[0], name).count('class="js-line"') == 2


@needs_chromium
def test_hostile_text_runs_nothing_and_loads_nothing_in_the_browser(opened_hostile):
    dom, console = opened_hostile
    assert console == []
    assert Elements(dom).count("img") == 0


@needs_chromium
def test_the_plots_take_the_colours_of_the_dark_theme(opened, opened_hostile):
    dark_blue = "rgb(110, 163, 255)"
    assert dark_blue in plot(opened_hostile[0], "plane-1-plot")
    assert dark_blue not in plot(opened[0], "plane-1-plot")


@needs_chromium
def test_a_script_that_the_policy_does_not_name_would_be_seen_in_the_log(page, tmp_path):
    path = tmp_path / "tampered.html"
    path.write_text(page.replace("</main>", "</main><script>document.title = 'x'</script>"), encoding="utf-8")
    assert "Content Security Policy" in open_in_chromium(path, tmp_path / "profile")[1][0]
