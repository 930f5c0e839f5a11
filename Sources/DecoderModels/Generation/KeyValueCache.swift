package import Tensors

/// Rotated keys and values of every layer for the tokens of one sequence, float32.
package final class KeyValueCache {
    /// Tokens it can hold.
    package let capacity: Int
    /// Tokens it holds.
    package private(set) var count = 0
    private let arena: Arena
    private let keySlots: [ArenaSlot]
    private let valueSlots: [ArenaSlot]
    private let width: Int

    /// - Parameter capacity: tokens of the prompt and of what will be generated.
    package init(_ shape: DecoderConfiguration, capacity: Int) {
        self.capacity = capacity
        width = shape.keyValueWidth
        var plan = ArenaPlan()
        let elements = capacity * width
        keySlots = (0..<shape.layerCount).map { plan.reserve("layer \($0): keys", Float.self, count: elements) }
        valueSlots = (0..<shape.layerCount).map { plan.reserve("layer \($0): values", Float.self, count: elements) }
        arena = Arena(plan)
    }

    package var byteCount: Int { arena.byteCount }

    /// [count, K·D] of a layer, room for `rows` rows.
    package func keys(layer: Int, rows: Int) -> FloatMatrix {
        arena.matrix(keySlots[layer], rows: rows, columns: width)
    }

    /// [count, K·D] of a layer, room for `rows` rows.
    package func values(layer: Int, rows: Int) -> FloatMatrix {
        arena.matrix(valueSlots[layer], rows: rows, columns: width)
    }

    /// Counts rows that every layer has written.
    package func advance(by rows: Int) {
        guard count + rows <= capacity else { fatalError("the cache holds \(capacity) tokens and is full") }
        count += rows
    }
}
