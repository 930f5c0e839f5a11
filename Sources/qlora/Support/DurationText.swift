/// Times for people.
enum DurationText {
    /// `45 s`, `5 min 12 s`, `3 h 20 min`.
    static func text(_ seconds: Double) -> String {
        let whole = Int(min(max(0, seconds), 1e9).rounded())
        let hours = whole / 3600, minutes = whole / 60 % 60
        if hours > 0 { return "\(hours) h \(minutes) min" }
        return minutes > 0 ? "\(minutes) min \(whole % 60) s" : "\(whole) s"
    }

    /// `1:02:03` or `2:03`, for places with little room.
    static func clock(seconds: Int) -> String {
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let hours = seconds / 3600, minutes = seconds / 60 % 60
        return hours > 0 ? "\(hours):\(two(minutes)):\(two(seconds % 60))" : "\(minutes):\(two(seconds % 60))"
    }
}
