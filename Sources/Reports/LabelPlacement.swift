internal import Glibc

/// A rectangle of a drawing; y grows downwards.
struct Box: Sendable, Equatable {
    var x: Double
    var y: Double
    var width: Double
    var height: Double

    func overlaps(_ other: Box) -> Bool {
        x < other.x + other.width && other.x < x + width && y < other.y + other.height && other.y < y + height
    }

    func contains(_ other: Box) -> Bool {
        other.x >= x && other.y >= y && other.x + other.width <= x + width && other.y + other.height <= y + height
    }
}

/// Finds places for labels beside their points.
enum LabelPlacement {
    struct Placed: Sendable, Equatable {
        var box: Box
        /// Where a line from the point to the label ends; nil where the label is so near that it needs none.
        var leader: Point?
    }

    struct Point: Sendable, Equatable {
        var x: Double
        var y: Double
    }

    private static let lineHeight = 14.0
    /// Width of a character in fonts of 12 pixels, on the safe side.
    private static let characterWidth = 7.2
    private static let distances = [9.0, 16, 24, 34, 46, 60, 76, 94, 114, 136, 160, 190, 220, 260, 300]
    private static let directionCount = 16

    /// Places labels one after the other, each at the nearest place that is free: right of the point first, then around
    /// it. A label that finds none within the area (more labels than the area holds) stands right of its point.
    static func place(
        _ anchors: [(x: Double, y: Double, text: String)], around obstacles: [Box], inside area: Box
    ) -> [Placed] {
        var taken = obstacles
        var placed = [Placed?](repeating: nil, count: anchors.count)
        // From the top, so that leaders of crowded points fan out in their order.
        for index in anchors.indices.sorted(by: { (anchors[$0].y, anchors[$0].x) < (anchors[$1].y, anchors[$1].x) }) {
            let anchor = anchors[index]
            let choice = candidates(anchor).first { candidate in
                area.contains(candidate.box) && !taken.contains { $0.overlaps(candidate.box) }
            }
            let found = choice ?? candidates(anchor)[0]
            taken.append(found.box)
            placed[index] = found
        }
        return placed.compactMap { $0 }
    }

    private static func candidates(_ anchor: (x: Double, y: Double, text: String)) -> [Placed] {
        let width = Double(anchor.text.count) * characterWidth
        return distances.flatMap { distance in
            // Right, then alternating up and down around to the left.
            (0..<directionCount).map { step -> Placed in
                let turn = Double((step + 1) / 2) * (step % 2 == 0 ? 1 : -1) / Double(directionCount)
                let dx = cos(2 * .pi * turn), dy = sin(2 * .pi * turn)
                let near = Point(x: anchor.x + dx * distance, y: anchor.y + dy * distance)
                // The side of the label that faces the point touches the circle.
                let x = dx > 0.35 ? near.x : dx < -0.35 ? near.x - width : near.x - width / 2
                let y = near.y - lineHeight / 2 + dy * lineHeight / 2
                let box = Box(x: x, y: y, width: width, height: lineHeight)
                return Placed(box: box, leader: distance > 20 ? near : nil)
            }
        }
    }
}
