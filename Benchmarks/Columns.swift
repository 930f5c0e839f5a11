/// A number with a fixed count of decimals, right-aligned.
func aligned(_ value: Double, decimals: Int, width: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = (value * scale).rounded()
    guard scaled.isFinite, abs(scaled) < 1e15 else { return String(repeating: " ", count: max(0, width - 3)) + "n/a" }
    let digits = String(Int(abs(scaled)))
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let text =
        (scaled < 0 ? "-" : "") + padded.dropLast(decimals) + (decimals > 0 ? "." : "") + padded.suffix(decimals)
    return String(repeating: " ", count: max(0, width - text.count)) + text
}

/// A text, left-aligned.
func padded(_ text: String, width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}
