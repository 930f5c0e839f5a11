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
    }

    /// Parts in the order in which they were first met.
    package private(set) var parts: [Part] = []
    private let meter: PoolMeter?
    /// The parts that are running, the outermost first, and what parts inside of them took.
    private var running: [(name: String, innerSeconds: Double, innerBusySeconds: Double)] = []

    package init(meter: PoolMeter? = nil) { self.meter = meter }

    /// Starts again from nothing.
    package func reset() { parts = [] }

    /// Runs `body` and adds its time to a part.
    func measure<Value>(_ part: StaticString, _ body: () -> Value) -> Value {
        let name = (running.last.map { $0.name + ": " } ?? "") + part.description
        running.append((name, 0, 0))
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
        let index = parts.firstIndex { $0.name == name } ?? parts.endIndex
        if index == parts.endIndex { parts.append(Part(name: name)) }
        parts[index].seconds += seconds - inner.innerSeconds
        parts[index].busySeconds += busySeconds - inner.innerBusySeconds
        parts[index].count += 1
        return value
    }
}
