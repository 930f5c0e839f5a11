/// Points with vertical error bars and a label each, drawn as SVG. Labels overlap neither each other nor points nor bars.
package struct ScatterPlot: Sendable {
    package struct Point: Sendable {
        package var label: String
        package var x: Double
        package var y: Double
        /// The ends of the error bar; nil draws none.
        package var bar: ClosedRange<Double>?
        /// 0…4: the colour and shape.
        package var series: Int

        package init(label: String, x: Double, y: Double, bar: ClosedRange<Double>?, series: Int) {
            self.label = label
            self.x = x
            self.y = y
            self.bar = bar
            self.series = series
        }
    }

    package var title: String
    package var xTitle: String
    package var yTitle: String
    /// Points that are finite; others are left out.
    package private(set) var points: [Point]
    /// Writes a number with a count of digits after the point.
    private let number: @Sendable (Double, Int) -> String

    package init(
        title: String, xTitle: String, yTitle: String, points: [Point],
        number: @escaping @Sendable (Double, Int) -> String
    ) {
        self.title = title
        self.xTitle = xTitle
        self.yTitle = yTitle
        self.points = points.filter { point in
            let ends = [point.bar?.lowerBound ?? 0, point.bar?.upperBound ?? 0]
            return point.x.isFinite && point.y.isFinite && ends.allSatisfy(\.isFinite)
        }
        self.number = number
    }

    // MARK: - Geometry, in units of the drawing

    static let width = 640.0
    private static let left = 66.0, right = 16.0, top = 12.0, bottom = 48.0

    /// Grows with the points, so that labels find room.
    var height: Double { 330 + 14 * Double(max(0, points.count - 8)) }
    /// Where points and labels may lie.
    var area: Box {
        Box(
            x: Self.left, y: Self.top, width: Self.width - Self.left - Self.right,
            height: height - Self.top - Self.bottom)
    }

    private var xAxis: Axis { Axis(covering: points.map(\.x), from: area.x, to: area.x + area.width) }
    private var yAxis: Axis {
        let ends = points.flatMap { [$0.y] + ($0.bar.map { [$0.lowerBound, $0.upperBound] } ?? []) }
        return Axis(covering: ends, from: area.y + area.height, to: area.y)
    }

    /// What labels must keep clear of: markers and error bars.
    var obstacles: [Box] {
        let x = xAxis, y = yAxis
        return points.flatMap { point -> [Box] in
            let px = x.position(point.x), py = y.position(point.y)
            var boxes = [Box(x: px - 5, y: py - 5, width: 10, height: 10)]
            if let bar = point.bar {
                let high = y.position(bar.upperBound), low = y.position(bar.lowerBound)
                boxes.append(Box(x: px - 4, y: high - 1, width: 8, height: low - high + 2))
            }
            return boxes
        }
    }

    /// Where each label lies, in the order of the points.
    var labels: [LabelPlacement.Placed] {
        let x = xAxis, y = yAxis
        let anchors = points.map { (x: x.position($0.x), y: y.position($0.y), text: $0.label) }
        return LabelPlacement.place(anchors, around: obstacles, inside: area)
    }

    /// The rectangles of the labels, for tests.
    package var labelBoxes: [(x: Double, y: Double, width: Double, height: Double)] {
        labels.map { ($0.box.x, $0.box.y, $0.box.width, $0.box.height) }
    }

    /// Labels that overlap another label, a point or an error bar, or leave the drawing's area.
    package var overlappingLabelCount: Int {
        let boxes = labels.map(\.box), obstacles = obstacles, area = area
        return boxes.indices.count { index in
            !area.contains(boxes[index]) || obstacles.contains { $0.overlaps(boxes[index]) }
                || boxes.indices.contains { $0 != index && boxes[$0].overlaps(boxes[index]) }
        }
    }

    // MARK: - Drawing

    /// The drawing, an `svg` element.
    var svg: String {
        guard !points.isEmpty else { return "<p>There are no points to draw.</p>" }
        let x = xAxis, y = yAxis, area = area, bottom = area.y + area.height
        var lines: [String] = []
        for tick in x.ticks {
            let place = Self.text(x.position(tick))
            lines.append(Self.line("grid", place, Self.text(area.y), place, Self.text(bottom)))
            lines.append(Self.label("tick", place, Self.text(bottom + 16), "middle", number(tick, x.digits)))
        }
        for tick in y.ticks {
            let place = y.position(tick)
            lines.append(
                Self.line("grid", Self.text(area.x), Self.text(place), Self.text(area.x + area.width), Self.text(place))
            )
            lines.append(
                Self.label("tick", Self.text(area.x - 6), Self.text(place + 4), "end", number(tick, y.digits)))
        }
        lines.append(
            Self.label("", Self.text(area.x + area.width / 2), Self.text(bottom + 38), "middle", xTitle))
        let middle = Self.text(area.y + area.height / 2)
        lines.append(
            "<text x=\"14\" y=\"\(middle)\" text-anchor=\"middle\" transform=\"rotate(-90 14 \(middle))\">"
                + "\(HTMLText.escape(yTitle))</text>")
        for (point, label) in zip(points, labels) {
            lines += marker(point, x, y)
            if let end = label.leader {
                lines.append(
                    Self.line(
                        "leader", Self.text(x.position(point.x)), Self.text(y.position(point.y)), Self.text(end.x),
                        Self.text(end.y)))
            }
            lines.append(
                Self.label("", Self.text(label.box.x), Self.text(label.box.y + 11), "start", point.label))
        }
        return "<svg viewBox=\"0 0 \(Self.text(Self.width)) \(Self.text(height))\" role=\"img\" aria-label=\""
            + "\(HTMLText.escape(title))\">\n\(lines.joined(separator: "\n"))\n</svg>"
    }

    private func marker(_ point: Point, _ x: Axis, _ y: Axis) -> [String] {
        let px = x.position(point.x), py = y.position(point.y), series = "series\(max(0, min(4, point.series)))"
        var lines: [String] = []
        if let bar = point.bar {
            let high = Self.text(y.position(bar.upperBound)), low = Self.text(y.position(bar.lowerBound))
            let left = Self.text(px - 4), right = Self.text(px + 4), middle = Self.text(px)
            lines.append(
                "<path class=\"\(series) bar\" d=\"M\(left) \(high)H\(right)M\(left) \(low)H\(right)"
                    + "M\(middle) \(high)V\(low)\"/>")
        }
        lines.append(
            "<circle class=\"\(series)\" cx=\"\(Self.text(px))\" cy=\"\(Self.text(py))\" r=\"4\"/>")
        return lines
    }

    /// A coordinate with one digit after the point.
    private static func text(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    private static func line(_ name: String, _ x1: String, _ y1: String, _ x2: String, _ y2: String) -> String {
        "<line class=\"\(name)\" x1=\"\(x1)\" y1=\"\(y1)\" x2=\"\(x2)\" y2=\"\(y2)\"/>"
    }

    private static func label(_ name: String, _ x: String, _ y: String, _ anchor: String, _ text: String) -> String {
        let style = name.isEmpty ? "" : " class=\"\(name)\""
        return "<text\(style) x=\"\(x)\" y=\"\(y)\" text-anchor=\"\(anchor)\">\(HTMLText.escape(text))</text>"
    }
}
