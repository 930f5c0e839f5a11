import Reports
import Testing

@Suite struct ReportsTests {
    @Test func everythingThatCouldBeMarkupIsEscaped() {
        #expect(
            HTMLText.escape("<b a=\"x\" b='y'>&amp;</b>")
                == "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;&lt;/b&gt;")
        #expect(HTMLText.escape("ä\u{0}\u{1B}\n\u{85}→") == "ä\u{FFFD}\u{FFFD}\n\u{FFFD}→")
    }

    private func plot(_ points: [ScatterPlot.Point]) -> ScatterPlot {
        ScatterPlot(title: "<t>", xTitle: "<x>", yTitle: "<y>", points: points) { value, digits in
            digits == 0 ? "\(Int(value.rounded()))" : "\(value)"
        }
    }

    /// Every text of a page goes through the escape, wherever it stands.
    @Test func pagesEscapeEveryText() {
        let evil = "<script>alert(1)</script>"
        let table = HTMLTable(columns: [.init(evil, isText: true), .init(evil)], rows: [[evil, evil]])
        let plot = ScatterPlot(
            title: evil, xTitle: evil, yTitle: evil,
            points: [.init(label: evil, x: 1, y: 1, bar: 0...2, series: 0)]
        ) { _, _ in evil }
        let page = HTMLPage(
            title: evil,
            parts: [
                .heading(evil), .paragraph(evil), .plots([plot]), .table(table),
                .definitions([(term: evil, meaning: evil)]), .verbatim(evil),
            ])
        #expect(!page.text.contains("<script"))
        #expect(page.text.split(separator: "&lt;script&gt;alert(1)&lt;/script&gt;").count > 12)
    }

    @Test func pagesNeedNothingFromElsewhere() {
        let text = HTMLPage(title: "t", parts: [.plots([plot([.init(label: "a", x: 1, y: 2, bar: nil, series: 0)])])])
            .text
        for word in ["http", "src=", "href", "@import", "url(", "<script", "<link"] { #expect(!text.contains(word)) }
        #expect(text.contains("prefers-color-scheme: dark") && text.contains("@media print"))
    }

    /// Crowded points, among them many at the same place.
    static let crowds: [[ScatterPlot.Point]] = {
        var column: [ScatterPlot.Point] = [], heap: [ScatterPlot.Point] = [], curve: [ScatterPlot.Point] = []
        for index in 0..<11 {
            let x = 30 + Double(index % 3) * 0.1
            column.append(.init(label: "format+dq \(index)", x: x, y: 4.2, bar: 4.1...4.3, series: 0))
        }
        for index in 0..<24 {
            heap.append(.init(label: "nf4 \(64 << (index % 4))", x: 1, y: 1, bar: nil, series: index % 5))
        }
        for index in 0..<12 {
            let y = Double(index * index)
            curve.append(.init(label: "int8 256", x: Double(index), y: y, bar: (y - 3)...(y + 3), series: 0))
        }
        return [column, heap, curve]
    }()

    @Test(arguments: crowds.indices) func labelsOverlapNothing(_ index: Int) {
        let plot = plot(Self.crowds[index])
        let boxes = plot.labelBoxes
        #expect(boxes.count == Self.crowds[index].count)
        #expect(plot.overlappingLabelCount == 0)
        #expect(boxes.allSatisfy { $0.x >= 0 && $0.x + $0.width <= 640 && $0.y >= 0 })
    }

    @Test func plotsOfAnythingAreDrawn() {
        #expect(!HTMLPage(title: "", parts: [.plots([plot([])])]).text.contains("<svg"))
        for values in [[0.0], [1e-12, 2e-12], [1e12, 1e12], [-5, 5], [.nan, 3], [.infinity, 3]] {
            let text = HTMLPage(
                title: "",
                parts: [.plots([plot(values.map { .init(label: "p", x: $0, y: $0, bar: nil, series: 9) })])]
            ).text
            #expect(text.contains("<svg") && !text.contains("nan") && !text.contains("inf\""), "\(values)")
            #expect(text.split(separator: "<circle").count - 1 == values.count(where: \.isFinite))
        }
    }
}
