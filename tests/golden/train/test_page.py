from pathlib import Path

from golden import train
from golden.train.recipes import RECIPES
from golden.train.table import table

PAGE = (Path(__file__).parents[3] / "docs" / "training.md").read_text()


def test_the_table_of_the_page_is_that_of_the_results():
    assert f"\n{table(train.results().values())}\n" in PAGE


def test_every_workflow_is_explained():
    for recipe in RECIPES.values():
        assert f"`{recipe.workflow}`" in PAGE.split("## Workflows")[1].split("\n## ")[0]


def test_the_example_runs(capsys):
    exec(compile(PAGE.split("```python\n")[1].split("```")[0], "training.md", "exec"), {})
    assert "'digits-tuned-w4a4'" in capsys.readouterr().out
