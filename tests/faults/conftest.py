"""The figures of the fault suite, said at the end of its run."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded with `record_property`."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, [])]
    figures = [(report.nodeid, name, value) for report in reports for name, value in report.user_properties]
    if figures:
        terminalreporter.section("figures")
    for nodeid, name, value in figures:
        terminalreporter.line(f"{nodeid.rpartition('::')[2]}: {name}: {value}")
