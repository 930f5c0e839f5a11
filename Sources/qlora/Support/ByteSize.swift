internal import ArgumentParser

/// A size on the command line: `512MiB`, `2GB`, `1.5 GiB`, or plain bytes.
struct ByteSize: ExpressibleByArgument {
    let byteCount: Int

    private static let units: [(name: String, factor: Double)] = [
        ("kib", 1024), ("mib", 1_048_576), ("gib", 1_073_741_824), ("tib", 1_099_511_627_776), ("kb", 1e3), ("mb", 1e6),
        ("gb", 1e9), ("tb", 1e12), ("k", 1024), ("m", 1_048_576), ("g", 1_073_741_824), ("t", 1_099_511_627_776),
        ("b", 1), ("", 1),
    ]

    init?(argument: String) {
        let text = argument.lowercased()
        guard let unit = Self.units.first(where: { text.hasSuffix($0.name) }) else { return nil }
        let digits = text.dropLast(unit.name.count).trimmingSuffix(while: { $0 == " " })
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }),
            let number = Double(digits), number > 0, number * unit.factor < 1e18
        else { return nil }
        byteCount = Int(number * unit.factor)
    }
}

extension Substring {
    /// Without the characters at the end that satisfy a condition.
    fileprivate func trimmingSuffix(while condition: (Character) -> Bool) -> Substring {
        var text = self
        while let last = text.last, condition(last) { text.removeLast() }
        return text
    }
}
