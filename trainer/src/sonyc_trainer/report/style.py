"""The page's style sheet: quiet, light or dark as the reader's system is, and readable on a phone."""

from typing import Final

# Okabe and Ito's colours for light paper; lighter ones of the same hues for dark. Each series has a marker of its own.
STYLE: Final = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1c1f23; --soft: #5b636d; --rule: #d9dde2; --faint: #f3f5f7; --accent: #0072b2;
  --cell: #4f9fd0;
  --s0: #0072b2; --s1: #c14f00; --s2: #00805c; --s3: #a84f88; --s4: #2f6f8f; --s5: #9a6b00; --s6: #444444;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181c; --ink: #e4e7eb; --soft: #9aa3ad; --rule: #333a42; --faint: #1e2328; --accent: #5fb4ea;
    --cell: #1f6a9e;
    --s0: #5fb4ea; --s1: #f39353; --s2: #3ecf9f; --s3: #e39ac6; --s4: #8ecbe0; --s5: #e8bb4e; --s6: #c9cdd2;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p, ul { max-width: 42rem; margin: 0 0 .75rem; }
ul { padding-left: 1.2rem; }
.answer p { font-size: 1.08rem; }
.soft, figcaption, small { color: var(--soft); }
nav { margin: 1rem 0 0; font-size: .9rem; }
nav a { color: var(--soft); margin-right: 1rem; display: inline-block; }
a { color: var(--accent); }
code { font: .88em ui-monospace, "DejaVu Sans Mono", Consolas, monospace; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 0 0 1.25rem; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums lining-nums; font-size: .92rem; }
.caption { font-size: .9rem; margin: 0 0 .35rem; color: var(--soft); }
th { font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--soft); vertical-align: bottom; }
td { border-bottom: 1px solid var(--rule); vertical-align: top; }
th, td { padding: .3rem .6rem; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
.text { text-align: left; }
.number { text-align: right; }
td.text.long, .long { white-space: normal; min-width: 14rem; }
td small { display: block; font-size: .78rem; line-height: 1.3; }
tr.on td { font-weight: 600; }
figure { margin: 0 0 1.5rem; }
figcaption { font-size: .88rem; margin-top: .35rem; max-width: 42rem; }
svg { display: block; width: 100%; height: auto; overflow: hidden; }
svg text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; fill: currentColor; }
svg .soft { fill: var(--soft); }
svg .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
.one { max-width: 29rem; }
.panels { display: grid; gap: 1rem 1.25rem; grid-template-columns: repeat(auto-fill, minmax(min(13rem, 100%), 1fr)); }
.pair { display: grid; gap: 1rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); }
.pair > * { max-width: 29rem; }
.clips { display: grid; gap: .5rem .75rem; grid-template-columns: repeat(auto-fill, minmax(min(9.5rem, 46%), 1fr)); }
.panels figure, .pair figure, .clips figure { margin: 0; min-width: 0; }
.panels h3, .pair h3, .clips h3 { margin: 0 0 .35rem; }
.clips h3 { font-size: .92rem; } .clips h3 span { font-weight: 400; white-space: nowrap; }
.legend { list-style: none; padding: 0; margin: 0 0 .6rem; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem;
  font-size: .9rem; max-width: none; }
.legend li { display: flex; align-items: center; gap: .4rem; }
.legend svg { width: 22px; height: 12px; flex: none; }
.scale { max-width: 22rem; }
details { margin: 0 0 1rem; }
summary { cursor: pointer; color: var(--soft); }
details[open] > summary { margin-bottom: .75rem; }
@media (max-width: 30rem) {
  body { font-size: 15px; }
  main { padding: 1.25rem .9rem 3rem; }
  .panels { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .75rem; }
  .panels svg text { font-size: 12.5px; }
}
@media print { details > * { display: block; } .wide { overflow: visible; } }
""".strip()
