"""What fulmen logs reaches stderr while a command runs, and is its user's affair elsewhere."""

from __future__ import annotations

import logging

import pytest

from fulmen.log_lines import shown_lines

log = logging.getLogger("fulmen.some_module")


@pytest.mark.parametrize(("quiet", "said"), [(False, "progress\ntrouble\n"), (True, "trouble\n")])
def test_a_command_shows_them(monkeypatch, capsys, quiet, said):
    monkeypatch.setattr(logging.root, "handlers", [])  # as in a process of one's own: pytest has some
    with shown_lines(quiet):
        log.info("progress")
        log.warning("trouble")

    assert capsys.readouterr().err == said
    assert not log.isEnabledFor(logging.INFO)
    assert logging.getLogger("fulmen").handlers == []


def test_who_has_handlers_gets_them_once(caplog, capsys):
    with shown_lines():
        log.info("progress")

    assert [record.getMessage() for record in caplog.records] == ["progress"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("debug", "shown"), [("0", False), ("1", True)])
def test_a_traceback_is_for_the_log_of_the_run(monkeypatch, capsys, tmp_path, debug, shown):
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setenv("FULMEN_DEBUG", debug)
    file = logging.FileHandler(tmp_path / "log.txt")
    with shown_lines():
        logging.getLogger("fulmen").addHandler(file)
        try:
            raise ValueError("no such rate")
        except ValueError:
            log.exception("candidate failed")
        finally:
            logging.getLogger("fulmen").removeHandler(file)

    said = capsys.readouterr().err.splitlines()
    assert said[0] == "candidate failed"
    assert (len(said) > 1) == shown
    assert "ValueError: no such rate" in (tmp_path / "log.txt").read_text()
