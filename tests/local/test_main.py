"""What `python -m local up` takes."""

import sys

import pytest

from local import application, command


def test_containers_are_read_from_the_command_line():
    """A name, and a key of one path or several."""
    arguments = command._parser().parse_args(
        ["up", "--container", "Orders:/customerId", "--container", "Lines:/tenantId,/order/id"]
    )

    assert arguments.container == [("Orders", "/customerId"), ("Lines", "/tenantId,/order/id")]


@pytest.mark.parametrize("text", ["Orders", "Orders:", ":/id", "Orders:id", "Orders:/id,", "Orders:/", "Orders:/a//b"])
def test_what_is_no_container_is_refused(text, capsys):
    """The message shows the form."""
    with pytest.raises(SystemExit):
        command._parser().parse_args(["up", "--container", text])

    assert "is not like Orders:/customerId" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("replicated", "said"),
    [
        (application.Replicated(("Accounts",), ("Loans",)), ["Lones"]),
        (application.Replicated(("Accounts",), ("Loans", "Lones")), []),
        (application.Replicated((), ()), []),  # the app cannot say it, and the host says why
    ],
)
def test_a_container_that_no_mapper_takes_is_told(replicated, said, monkeypatch, capsys):
    """It is made all the same: its mapper may come later."""
    monkeypatch.setattr(application, "ask", lambda _: replicated)

    containers, _ = command._choose({"Accounts": "/id", "Loans": "/branchId", "Lones": "/branchId"})

    assert "Lones" in containers
    told = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert told == [f"No mapper takes {name}" for name in said]


def test_a_partition_key_that_no_document_has_is_told_before_anything_starts(tmp_path, monkeypatch, capsys):
    """Also if its documents come from several files; one that cannot be read is refused as early."""
    loans, more, gone = (tmp_path / name for name in ("loans.json", "more.json", "gone.json"))
    loans.write_text('[{"id": "a"}]')
    more.write_text('{"id": "b", "branchId": "x"}')
    monkeypatch.setattr(application, "ask", lambda _: application.Replicated((), ()))
    monkeypatch.setattr(command, "Ending", lambda: None)

    def start(*files):
        imports = [word for file in files for word in ("--import", str(file))]
        monkeypatch.setattr(sys, "argv", ["local", "up", "--json", "--container", "Loans:/branchID", *imports])
        monkeypatch.setattr(command, "running", lambda **_: pytest.fail("started"))
        return command.main()

    with pytest.raises(pytest.fail.Exception, match="started"):
        start(loans, more)
    assert capsys.readouterr().err == "No document of Loans has the partition key /branchID. They have /branchId.\n"
    assert start(gone) == 1
    assert "gone.json cannot be read" in capsys.readouterr().err
