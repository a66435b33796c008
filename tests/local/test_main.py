"""What `python -m local up` takes."""

import pytest

from local import __main__ as command


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
