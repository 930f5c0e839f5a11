internal import Glibc

/// base^exponent in double precision.
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

/// Cosine and sine of a float32 angle, each rounded once to float32.
func cosineAndSine(_ angle: Float) -> (cosine: Float, sine: Float) {
    (Float(cos(Double(angle))), Float(sin(Double(angle))))
}
