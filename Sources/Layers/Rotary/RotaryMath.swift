internal import Glibc

/// base^exponent in double precision.
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

/// base^exponent in float32.
func power(_ base: Float, _ exponent: Float) -> Float { powf(base, exponent) }

/// The natural logarithm.
func naturalLogarithm(_ x: Double) -> Double { log(x) }

/// Cosine and sine of a float32 angle, each rounded once to float32.
func cosineAndSine(_ angle: Float) -> (cosine: Float, sine: Float) {
    (Float(cos(Double(angle))), Float(sin(Double(angle))))
}
