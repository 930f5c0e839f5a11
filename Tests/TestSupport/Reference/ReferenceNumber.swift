internal import Glibc

/// The numbers that the scalar reference computes with: plain doubles, or doubles that carry derivatives.
protocol ReferenceNumber {
    init(_ constant: Double)
    /// The number without its derivatives.
    var value: Double { get }
    static func + (left: Self, right: Self) -> Self
    static func - (left: Self, right: Self) -> Self
    static func * (left: Self, right: Self) -> Self
    static func / (left: Self, right: Self) -> Self
    static func exponential(_ x: Self) -> Self
    static func logarithm(_ x: Self) -> Self
    static func squareRoot(_ x: Self) -> Self
}

extension ReferenceNumber {
    static func += (left: inout Self, right: Self) { left = left + right }
}

extension Double: ReferenceNumber {
    var value: Double { self }
    static func exponential(_ x: Double) -> Double { exp(x) }
    static func logarithm(_ x: Double) -> Double { log(x) }
    static func squareRoot(_ x: Double) -> Double { x.squareRoot() }
}

/// A forward-mode dual number: a value and its derivatives along eight directions at once.
///
/// The rules of differentiation are exact, so a derivative has the rounding error of its own evaluation in double
/// precision and no truncation error.
struct Dual: ReferenceNumber {
    /// How many directions one evaluation differentiates along.
    static let directionCount = 8

    var value: Double
    var tangent: SIMD8<Double>

    init(_ constant: Double) {
        value = constant
        tangent = .zero
    }

    init(_ value: Double, tangent: SIMD8<Double>) {
        self.value = value
        self.tangent = tangent
    }

    static func + (left: Dual, right: Dual) -> Dual {
        Dual(left.value + right.value, tangent: left.tangent + right.tangent)
    }

    static func - (left: Dual, right: Dual) -> Dual {
        Dual(left.value - right.value, tangent: left.tangent - right.tangent)
    }

    static func * (left: Dual, right: Dual) -> Dual {
        Dual(left.value * right.value, tangent: left.tangent * right.value + right.tangent * left.value)
    }

    static func / (left: Dual, right: Dual) -> Dual {
        let quotient = left.value / right.value
        return Dual(quotient, tangent: (left.tangent - right.tangent * quotient) / right.value)
    }

    static func exponential(_ x: Dual) -> Dual {
        let power = exp(x.value)
        return Dual(power, tangent: x.tangent * power)
    }

    static func logarithm(_ x: Dual) -> Dual { Dual(log(x.value), tangent: x.tangent / x.value) }

    static func squareRoot(_ x: Dual) -> Dual {
        let root = x.value.squareRoot()
        return Dual(root, tangent: x.tangent / (2 * root))
    }
}
