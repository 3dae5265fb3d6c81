"""First line: what the run is doing, how far it is, what needs attention."""

from textual.content import Content

from backend.forecast import progress
from backend.state import RunState
from tui import format as fmt
from tui.client import LinkView
from tui.glyphs import Glyphs
from tui.panes.quiet import QuietStatic
from tui.status import busiest_card, run_sign

Part = tuple[str, str]


class Header(QuietStatic):
    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("header")
        self.glyphs = glyphs

    def show(self, state: RunState, link: LinkView, now: float) -> None:
        self.put(header(state, link, now, self.size.width or 80, self.glyphs))


def header(state: RunState, link: LinkView, now: float, width: int, glyphs: Glyphs) -> Content:
    """As many parts as fit, the most important first; the order on screen stays the same."""
    sign, word, colour = run_sign(state, link, glyphs)
    roomy = width >= 110
    parts: list[tuple[int, str, str]] = [(0, f"{sign} {word}", f"bold ${colour}")]
    name = fmt.line(state.run)
    if state.preset and roomy and state.preset != state.run:
        name += f" {glyphs.middle_dot} {fmt.line(state.preset)}"
    parts.append((4, name, "bold"))
    parts += _numbers(state, now, roomy, glyphs)
    if link.detail and state.phase != "stopped":
        parts.append((1, fmt.line(link.detail), "$bad"))
    if state.phase == "stopped":
        parts.append((1, fmt.line(state.stop_reason), "$muted"))
    kept = [p for p in parts if p[1]]
    gap = "   " if roomy else "  "
    while len(kept) > 1 and _width(kept, gap) > width:
        kept.remove(max(kept, key=lambda p: p[0]))
    text: list[Part | str] = [" "]
    for i, (_, part, style) in enumerate(kept):
        text += [gap] if i else []
        text.append((part, style))
    return Content.assemble(*text)


def _numbers(
    state: RunState, now: float, roomy: bool, glyphs: Glyphs
) -> list[tuple[int, str, str]]:
    parts: list[tuple[int, str, str]] = []
    done = progress(state, now)
    of = f"/{state.cycles}" if state.cycles else ""
    number = min(state.cycle + 1, state.cycles) if state.cycles else state.cycle + 1
    if state.steps_per_cycle:
        parts.append((5, f"cycle {number}{of}" if roomy else f"c{number}{of}", ""))
        step = f"step {fmt.count(done.step)}"
        if done.target:
            step += f"/{fmt.count(done.target) if roomy else fmt.short(done.target)}"
        bar = fmt.bar(done.frac, 12, glyphs) + " " if roomy else ""
        parts.append((3, step, ""))
        at_work = state.phase in ("running", "paused")
        if at_work:
            parts.append((3, done.evaluation, ""))
        if at_work or done.whole_run or not done.evaluation:
            parts.append((2, f"{bar}{fmt.percent(done.frac)}", "$accent"))
        if at_work:
            word = "ETA" if done.whole_run else "cycle ETA" if roomy else "ETA"
            parts.append((6, f"{word} {fmt.duration(done.eta_s, glyphs)}", ""))
    if rate := state.latest("learning_rate"):
        parts.append((8, f"lr {fmt.rate(rate)}", ""))
    if state.memory:
        used = state.memory[-1][1]
        total = state.memory_total_mib
        text = "RSS" if total is None else "device"
        text += f" {used / 1024:.1f}" + (f"/{total / 1024:.1f}" if total else "")
        high = bool(total) and used > 0.9 * (total or 0.0)
        unit = " GiB" if roomy else "G"
        parts.append((7, text + unit, "bold $attention" if high else ""))
    parts.append((9, busiest_card(state), ""))
    urgent = [a for a in state.alerts if a.level in ("warning", "error")]
    if urgent:
        text = fmt.plural(len(urgent), "alert") if roomy else f"!{len(urgent)}"
        parts.append((2, text, "bold $attention"))
    return parts


def _width(parts: list[tuple[int, str, str]], gap: str) -> int:
    return 2 + sum(len(text) for _, text, _ in parts) + len(gap) * (len(parts) - 1)
