/// Byte counts for people.
enum ByteText {
    /// `512 B`, `1.5 MiB`, `2.1 GiB`.
    static func text(_ bytes: Int) -> String {
        guard bytes >= 1024 else { return "\(bytes) B" }
        var value = Double(bytes)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return "\(NumberText.fixed(value, digits: 1)) \(units[unit])"
    }
}

/// Numbers for people.
enum NumberText {
    /// A number with a fixed count of digits after the point, rounded half away from zero; "nan" and "inf" as such.
    static func fixed(_ value: Double, digits: Int) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (value.magnitude * scale).rounded()
        let whole = Int(scaled / scale)
        var fraction = String(Int(scaled - Double(whole) * scale))
        while fraction.count < digits { fraction = "0" + fraction }
        return (value < 0 && scaled > 0 ? "-" : "") + (digits == 0 ? "\(Int(scaled))" : "\(whole).\(fraction)")
    }
}
