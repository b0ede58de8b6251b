"""The pages of the site: both languages have all pages, links hold inside the site, and formulas need no JavaScript."""

from docs.site import reference
from docs.site.pages import formulas, links, outside_code, page


def test_a_page_without_a_translation_is_in_english_and_says_so() -> None:
    text = page("a.md", "# Title\n\nText.\n", None, "pt-BR")
    assert text.startswith("# Title\n")
    assert "não foi traduzida" in text
    assert text.endswith("Text.\n")
    assert page("a.md", "# Title\n", "# Título\n", "pt-BR") == "# Título\n"
    assert page("a.md", "# Title\n", "# Título\n", "en") == "# Title\n"


def test_links_out_of_the_docs_lead_to_pages_of_the_site() -> None:
    assert links("[r](../benchmarks/RESULTS.md#omniglot)", 0) == "[r](benchmarks.md#omniglot)"
    assert links("[r](../../benchmarks/RESULTS.md)", 1) == "[r](../benchmarks.md)"
    assert links("[c](../src/semelha/cli/app.py)", 0) == "[c](reference/command-line.md)"
    assert links("[m](metrics.md)", 0) == "[m](metrics.md)"
    assert links("[m](metrics.pt-BR.md#a)", 0) == "[m](metrics.md#a)"


def test_formulas_become_mathml_and_code_stays() -> None:
    text = "Let $x_i$ cost 5$ or 6$.\n\n$$\\sqrt{x}$$\n\n```bash\necho $x $y\n```\n\nand `$HOME/$x`.\n"
    made = outside_code(text, formulas)
    assert made.count("<math") == 2
    assert "5$ or 6$" in made
    assert "echo $x $y" in made
    assert "`$HOME/$x`" in made


def test_inherited_methods_have_one_entry() -> None:
    """What a class inherits from one that is in the reference is not repeated; else it would be nowhere."""
    metrics = reference.python("semelha.metrics", ["Metric", "Mahalanobis"])
    assert metrics.count("inherited_members: []") == 2
    gallery = reference.python("semelha", ["Gallery"])
    assert "reviews" in gallery.partition("inherited_members: ")[2]


def test_paths_break_at_a_slash() -> None:
    paths = {"/subjects/{name}": {"get": {"summary": "List.", "responses": {}}}}
    text = reference.http({"paths": paths, "components": {"schemas": {}}})
    assert "## GET /<wbr>subjects/<wbr>{name}\n" in text
