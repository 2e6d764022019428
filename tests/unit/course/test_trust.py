"""Which notebooks JupyterLab is told to trust."""

import pytest
from nbformat.sign import NotebookNotary

from mmlearn.course.build import build
from mmlearn.course.notebook import read
from mmlearn.course.trust import trust_built_chapters


@pytest.fixture
def chapter(clone, monkeypatch, tmp_path_factory):
    """A chapter as the build wrote it, on a machine where Jupyter has trusted nothing yet."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path_factory.mktemp("jupyter")))
    clone.solution("04", clone.cell("1", outputs=[{"output_type": "stream", "name": "stdout", "text": "1"}]))
    build(clone.root)
    return clone.root / "chapters" / "04-convolution.ipynb"


def is_trusted(path):
    notary = NotebookNotary()
    try:
        return notary.check_signature(read(path))
    finally:
        notary.store.close()


def test_a_chapter_as_the_build_wrote_it_is_trusted_once(clone, chapter):
    assert not is_trusted(chapter)
    assert trust_built_chapters(clone.root) == [chapter]
    assert is_trusted(chapter)
    assert trust_built_chapters(clone.root) == []


def test_a_chapter_with_an_output_of_another_origin_is_not(clone, chapter):
    chapter.write_text(chapter.read_text().replace('"1"', '"<script>"'))
    assert trust_built_chapters(clone.root) == []
    assert not is_trusted(chapter)


def test_a_mistake_in_the_solutions_does_not_keep_jupyterlab_from_starting(clone, chapter):
    clone.solution("05", clone.cell("1", "exercise"))
    assert trust_built_chapters(clone.root) == []
