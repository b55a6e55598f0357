"""The command ``skinseg``, run in the process of the test."""

from typer.testing import CliRunner, Result

from skinseg.cli import app


def run(*arguments: object) -> Result:
    """Run ``skinseg`` with arguments; it may fail, but only as it says by its exit status."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    unexpected = result.exception and not isinstance(result.exception, SystemExit)
    assert not unexpected, "".join(map(str, result.exc_info))
    return result
