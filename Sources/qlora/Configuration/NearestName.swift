/// The known name that a wrong one probably stands for.
enum NearestName {
    /// A name all of whose words the wrong one has (`alpha` for `lora_alpha`, `max-length` for `max_seq_length`), the
    /// longest; else the one that the fewest letters inserted, removed, replaced or swapped make of it.
    static func of(_ wrong: String, among names: [String]) -> String? {
        let wrong = String(wrong.lowercased().replacing("_", with: "-").prefix(80))
        let words = Set(wrong.split(separator: "-"))
        let contained = names.filter { Set($0.split(separator: "-")).isSubset(of: words) }
        if let longest = contained.max(by: { $0.count < $1.count }) { return longest }
        return names.min { distance(wrong, $0) < distance(wrong, $1) }
    }

    /// The distance of Damerau and Levenshtein without moves of moved letters (optimal string alignment).
    private static func distance(_ left: String, _ right: String) -> Int {
        let left = Array(left), right = Array(right)
        var before: [Int] = [], last = Array(0...right.count)
        for row in 0..<left.count {
            var current = [row + 1]
            for column in 0..<right.count {
                var best = min(
                    last[column] + (left[row] == right[column] ? 0 : 1), last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    best = min(best, before[column - 1] + 1)
                }
                current.append(best)
            }
            (before, last) = (last, current)
        }
        return last[right.count]
    }
}
