"""Commands that are given what makes no sense."""

import pytest

from tests.world import manage


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate_invoices", "--date", "tomorrow"),
        ("generate_invoices", "--date", "9999-12-31"),
        ("generate_invoices", "--jobs", "0"),
        ("generate_invoices", "--jobs", "-1"),
        ("generate_invoices", "--jobs", "many"),
        ("purge_deleted", "--older-than", "1000000"),
        ("purge_deleted", "--older-than", "-1"),
        ("events", "tail", "--lines", "99999999999999999999"),
        ("events", "tail", "--lines", "-1"),
        ("issue_token", "--days", "4000"),
    ],
)
def test_an_argument_that_makes_no_sense_is_told_in_a_line(arguments, tmp_path):
    refused = manage(*arguments, VAR_DIR=str(tmp_path))
    assert refused.returncode != 0
    assert arguments[-2] in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr
