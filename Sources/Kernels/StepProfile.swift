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

    /// A part that has begun, and what parts inside of it took.
    private struct Running {
        let part: Int
        let start: Double
        let busyBefore: Double
        var innerSeconds = 0.0
        var innerBusySeconds = 0.0
    }

    /// Parts in the order in which they were first met.
    package private(set) var parts: [Part] = []
    private let meter: PoolMeter?
    /// The parts that are running, the outermost first.
    private var running: [Running] = []
    /// The part of a region that was started, inside the last of those.
    private var started: Running?
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
        running.append(beginning(part))
        let value = body()
        end(running.removeLast())
        return value
    }

    /// Begins a part that `finish` ends.
    func begin(_ part: StaticString) { started = beginning(part) }

    /// Waits for a region that was started, and ends its part.
    func finish(_ pool: WorkerPool) {
        pool.finish()
        guard let part = started else { return }
        started = nil
        end(part)
    }

    private func beginning(_ part: StaticString) -> Running {
        Running(part: index(of: part), start: now, busyBefore: meter?.busySeconds ?? 0)
    }

    private func end(_ part: Running) {
        let seconds = now - part.start
        let busySeconds = (meter?.busySeconds ?? 0) - part.busyBefore
        if let outer = running.indices.last {
            running[outer].innerSeconds += seconds
            running[outer].innerBusySeconds += busySeconds
        }
        parts[part.part].seconds += seconds - part.innerSeconds
        parts[part.part].busySeconds += busySeconds - part.innerBusySeconds
        parts[part.part].count += 1
    }

    /// Seconds on a clock that goes as it would for threads that are rehearsed.
    private var now: Double {
        Double(csystem_monotonic_nanoseconds()) * 1e-9 - (meter?.serializedSeconds ?? 0)
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
