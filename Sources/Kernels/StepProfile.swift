internal import CSystem

/// Where the time of a step goes: seconds by part, the parts excluding each other, so that they sum to the step with
/// what is left for the code between them.
///
/// Used by one thread, the one that starts parallel regions.
package final class StepProfile: @unchecked Sendable {
    // Unchecked: see above.

    /// Parts in the order in which they were first met.
    package private(set) var parts: [(name: String, seconds: Double, count: Int)] = []
    private var isMeasuring = false

    package init() {}

    /// Starts again from nothing.
    package func reset() { parts = [] }

    /// Runs `body` and adds its time to a part; inside another part it only runs it.
    func measure<Value>(_ part: StaticString, _ body: () -> Value) -> Value {
        guard !isMeasuring else { return body() }
        isMeasuring = true
        let start = csystem_monotonic_nanoseconds()
        let value = body()
        let seconds = Double(csystem_monotonic_nanoseconds() - start) * 1e-9
        isMeasuring = false
        let name = part.description
        if let index = parts.firstIndex(where: { $0.name == name }) {
            parts[index].seconds += seconds
            parts[index].count += 1
        } else {
            parts.append((name, seconds, 1))
        }
        return value
    }
}
