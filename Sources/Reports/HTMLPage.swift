/// A page in one file: no script, no font, no picture and no style from anywhere else. It follows the reader's choice of
/// a light or dark screen and prints in dark ink on white.
package struct HTMLPage: Sendable {
    /// A part of the page.
    package enum Part: Sendable {
        case heading(String)
        case paragraph(String)
        /// Figures beside each other where the screen is wide enough.
        case plots([ScatterPlot])
        case table(HTMLTable)
        /// Terms and what they mean.
        case definitions([(term: String, meaning: String)])
        /// Text as it is, in letters of one width.
        case verbatim(String)
    }

    package var title: String
    package var parts: [Part]

    package init(title: String, parts: [Part]) {
        self.title = title
        self.parts = parts
    }

    /// The document.
    package var text: String {
        let title = HTMLText.escape(title)
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title)</title>
            <style>
            \(Self.style)
            </style>
            </head>
            <body>
            <h1>\(title)</h1>
            \(parts.map(Self.html).joined(separator: "\n"))
            </body>
            </html>

            """
    }

    private static func html(_ part: Part) -> String {
        switch part {
        case .heading(let text): return "<h2>\(HTMLText.escape(text))</h2>"
        case .paragraph(let text): return "<p>\(HTMLText.escape(text))</p>"
        case .plots(let plots):
            let figures = plots.map { plot in
                "<figure>\n<figcaption>\(HTMLText.escape(plot.title))</figcaption>\n\(plot.svg)\n</figure>"
            }
            return "<div class=\"plots\">\n\(figures.joined(separator: "\n"))\n</div>"
        case .table(let table): return table.html
        case .definitions(let definitions):
            let items = definitions.map { definition in
                "<dt>\(HTMLText.escape(definition.term))</dt><dd>\(HTMLText.escape(definition.meaning))</dd>"
            }
            return "<dl>\n\(items.joined(separator: "\n"))\n</dl>"
        case .verbatim(let text): return "<pre>\(HTMLText.escape(text))</pre>"
        }
    }

    /// Colours of series are distinguishable with any common colour blindness (Okabe and Ito 2008), darker on white.
    private static let style = """
        :root { --ink: #1c1e21; --soft: #5c636b; --line: #d5d9de; --paper: #ffffff; --stripe: #f5f6f8;
          --series0: #0b66a8; --series1: #b8480a; --series2: #00785a; --series3: #a8487f; --series4: #8a6a00; }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #e6e8eb; --soft: #a3abb5; --line: #3a4048; --paper: #15181c; --stripe: #1d2126;
            --series0: #56b4e9; --series1: #f0883e; --series2: #2fc49b; --series3: #e59ac6; --series4: #e6c84c; } }
        @media print {
          :root { --ink: #000000; --soft: #444444; --line: #bbbbbb; --paper: #ffffff; --stripe: #ffffff;
            --series0: #0b66a8; --series1: #b8480a; --series2: #00785a; --series3: #a8487f; --series4: #8a6a00; }
          body { margin: 0; max-width: none; font-size: 9pt; } figure, tr, dt, dd { break-inside: avoid; }
          thead { display: table-header-group; } .table { overflow: visible; } }
        body { margin: 2rem auto; max-width: 78rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
          font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
        h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
        h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
        p { max-width: 46rem; margin: .5rem 0; }
        .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(34rem, 100%), 1fr)); gap: 1.5rem; }
        figure { margin: .5rem 0; }
        figcaption { font-weight: 600; margin-bottom: .25rem; }
        svg { display: block; width: 100%; height: auto; }
        .table { overflow-x: auto; }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; width: 100%; }
        th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
        th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; min-width: 3.5rem; }
        th.text, td.text { text-align: left; }
        tbody tr:nth-child(even) { background: var(--stripe); }
        dl { display: grid; grid-template-columns: max-content minmax(0, 44rem); gap: .3rem 1.2rem; }
        dt { font-weight: 600; }
        dd { margin: 0; }
        @media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
        pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--stripe); padding: .6rem .8rem; }
        svg text { fill: var(--ink); font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
        svg .tick { fill: var(--soft); font-size: 11px; }
        svg .grid { stroke: var(--line); stroke-width: 1; }
        svg .leader { stroke: var(--soft); stroke-width: .75; }
        svg .series0 { fill: var(--series0); stroke: var(--series0); }
        svg .series1 { fill: var(--series1); stroke: var(--series1); }
        svg .series2 { fill: var(--series2); stroke: var(--series2); }
        svg .series3 { fill: var(--series3); stroke: var(--series3); }
        svg .series4 { fill: var(--series4); stroke: var(--series4); }
        svg .bar { stroke-width: 1.5; fill: none; }
        """
}
