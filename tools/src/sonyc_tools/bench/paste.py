"""What belongs into a bug report: the machine and the main figures, as text that survives copying."""

from sonyc_tools.bench.report import Report


def as_block(report: Report) -> str:
    """Give the block, fenced as Markdown; it holds no path and no name of a host."""
    machine, ours = report.machine, report.reference
    lines = [
        f"cpu: {machine.cpu}, {machine.n_cpus} usable, governor {machine.governor or 'not said'}",
        f"memory: {machine.memory_mb} MB; {machine.system}; Python {machine.python}",
        ", ".join(f"{name} {version}" for name, version in machine.packages.items()),
        f"load average before: {machine.load_average:g}{' (busy: figures are too high)' if machine.is_busy else ''}",
        f"bundle: {ours.contender.name} {ours.contender.bundle.digest[:12]}, hop {ours.contender.spec.hop_s:g} s",
    ]
    for cost in report.recognisers:
        steps = ", ".join(f"{name} {figure.median:.3f}" for name, figure in cost.steps_ms_per_s.items())
        lines.append(f"recogniser, {cost.contender}: {cost.ms_per_s.median:.3f} ms/s ({steps})")
    for one in report.codings:
        lines.append(
            f"{one.coding}: encode {one.encode_ms.median:.2f} ms/s, decode {one.decode_ms.median:.2f} ms/s, "
            f"{one.bytes_per_hour / 1e6:.1f} MB/h"
        )
    for replay in report.replays:
        lines.append(
            f"agent at {replay.level}: last sample to PUBACK {replay.latency_s.median:.2f} s, {replay.peak_pss_mb:.0f} "
            f"MB PSS, {100 * replay.cpu_share:.1f} % of a core, {replay.n_lost} clips lost"
        )
    lines += [f"peer {one.peer.name}: {one.ms_per_s.median:.3f} ms/s" for one in report.peers]
    lines += [f"TOO SLOW: {reason}" for reason in report.too_slow]
    return "\n".join(("```", *lines, "```"))
