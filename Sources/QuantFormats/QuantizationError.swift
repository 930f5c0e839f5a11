package import System

/// How far restored weights lie from their originals, as sums that can be added up over slices and tensors.
public struct QuantizationError: Sendable {
    /// Elements.
    public private(set) var count: Int
    private var squaredError: Double
    private var squaredValue: Double
    /// The largest magnitude of a difference.
    public private(set) var largest: Float

    package init(count: Int = 0, squaredError: Double = 0, squaredValue: Double = 0, largest: Float = 0) {
        self.count = count
        self.squaredError = squaredError
        self.squaredValue = squaredValue
        self.largest = largest
    }

    /// The sums, from which `init(_:)` makes the same error again, to the bit.
    package var json: JSONValue {
        .array([.integer(count), .double(squaredError), .double(squaredValue), .double(Double(largest))])
    }

    /// Reads what `json` wrote; nil for anything else.
    package init?(_ json: JSONValue) {
        guard let sums = json.array, sums.count == 4, let count = sums[0].integer, let squaredError = sums[1].double,
            let squaredValue = sums[2].double, let largest = sums[3].double
        else { return nil }
        self.init(count: count, squaredError: squaredError, squaredValue: squaredValue, largest: Float(largest))
    }

    /// Adds the sums of other elements.
    public mutating func add(_ other: QuantizationError) {
        count += other.count
        squaredError += other.squaredError
        squaredValue += other.squaredValue
        largest = max(largest, other.largest)
    }

    /// Adds one difference; the element has been counted.
    mutating func add(value: Float, restored: Float) {
        let error = value - restored
        squaredError += Double(error) * Double(error)
        squaredValue += Double(value) * Double(value)
        largest = max(largest, error.magnitude)
    }

    /// Root of the mean squared difference.
    public var rootMeanSquare: Double { count == 0 ? 0 : (squaredError / Double(count)).squareRoot() }

    /// Root of the mean squared difference over that of the originals; 0 where all originals are 0.
    public var relativeRootMeanSquare: Double {
        squaredValue == 0 ? 0 : (squaredError / squaredValue).squareRoot()
    }
}
