internal import CSystem

/// Where the time of a step goes: seconds by part, the parts excluding each other, so that they sum to the step with
/// what is left for the code between them. A part inside another counts for itself, under both names.
///
/// Used by one thread, the one that starts parallel regions.
package final class StepProfile: @unchecked Sendable {
    // Unchecked: see above.

    /// What a part took.
    package struct Part {
        package let name: String
        package fileprivate(set) var seconds = 0.0
        /// Inside tasks, of all threads together, where the pool is metered.
        package fileprivate(set) var busySeconds = 0.0
        package fileprivate(set) var count = 0

        fileprivate init(name: String) { self.name = name }
    }

    /// Parts in the order in which they were first met.
    package private(set) var parts: [Part] = []
    private let meter: PoolMeter?
    /// The parts that are running, the outermost first, and what parts inside of them took.
    private var running: [(part: Int, innerSeconds: Double, innerBusySeconds: Double)] = []
    /// Where the name of a part stands in memory, several places perhaps, so that names are compared once.
    private var places: [(name: UnsafePointer<UInt8>, outer: Int?, part: Int)] = []

    package init(meter: PoolMeter? = nil) { self.meter = meter }

    /// Starts again from nothing, between parts.
    package func reset() {
        parts = []
        places = []
    }

    /// Runs `body` and adds its time to a part.
    func measure<Value>(_ part: StaticString, _ body: () -> Value) -> Value {
        let index = index(of: part)
        running.append((index, 0, 0))
        let busyBefore = meter?.busySeconds ?? 0
        let start = csystem_monotonic_nanoseconds()
        let value = body()
        let seconds = Double(csystem_monotonic_nanoseconds() - start) * 1e-9
        let busySeconds = (meter?.busySeconds ?? 0) - busyBefore
        let inner = running.removeLast()
        if let outer = running.indices.last {
            running[outer].innerSeconds += seconds
            running[outer].innerBusySeconds += busySeconds
        }
        parts[index].seconds += seconds - inner.innerSeconds
        parts[index].busySeconds += busySeconds - inner.innerBusySeconds
        parts[index].count += 1
        return value
    }

    private func index(of part: StaticString) -> Int {
        let outer = running.last?.part
        if let place = places.first(where: { $0.name == part.utf8Start && $0.outer == outer }) { return place.part }
        let name = (outer.map { parts[$0].name + ": " } ?? "") + part.description
        let index = parts.firstIndex { $0.name == name } ?? parts.endIndex
        if index == parts.endIndex { parts.append(Part(name: name)) }
        places.append((part.utf8Start, outer, index))
        return index
    }
}
