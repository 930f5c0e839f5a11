package import System

/// The day that templates see as today: that of the run, so that a row becomes the same tokens whenever it is read.
package struct TemplateDate: Sendable, Equatable {
    package let year: Int
    package let month: Int
    package let day: Int

    /// - Throws: `usage` unless the text is a day written as YYYY-MM-DD.
    package init(option: String) throws(Failure) {
        let parts = option.split(separator: "-", omittingEmptySubsequences: false)
        let widths = [4, 2, 2]
        let numbers = zip(parts, widths).compactMap { part, width in
            part.utf8.count == width && part.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } ? Int(part) : nil
        }
        guard parts.count == 3, numbers.count == 3, numbers[0] > 0, (1...12).contains(numbers[1]),
            (1...Self.dayCount(month: numbers[1], year: numbers[0])).contains(numbers[2])
        else {
            throw Failure(
                .usage, "--template-date is \"\(option)\": a day such as 2025-01-31 is expected",
                remedy: "Write it as year, month and day with hyphens")
        }
        year = numbers[0]
        month = numbers[1]
        day = numbers[2]
    }

    /// The day of a number of seconds since 1970, in UTC. The calendar arithmetic is Hinnant's `civil_from_days`.
    package init(secondsSince1970 seconds: Int) {
        let days = (seconds >= 0 ? seconds : seconds - 86_399) / 86_400 + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shifted + 2) / 5 + 1
        month = shifted < 10 ? shifted + 3 : shifted - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// YYYY-MM-DD.
    package var text: String { "\(Self.padded(year, 4))-\(Self.padded(month))-\(Self.padded(day))" }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func dayCount(month: Int, year: Int) -> Int {
        [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    }

    private static func padded(_ number: Int, _ width: Int = 2, with fill: Character = "0") -> String {
        let text = String(number)
        return String(repeating: fill, count: max(0, width - text.count)) + text
    }

    private var dayOfYear: Int { (1..<month).reduce(day) { $0 + Self.dayCount(month: $1, year: year) } }

    /// 0 for Sunday (Sakamoto's method).
    private var weekday: Int {
        let offsets = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4]
        let year = month < 3 ? year - 1 : year
        return (year + year / 4 - year / 100 + year / 400 + offsets[month - 1] + day) % 7
    }

    private static let monthNames = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let dayNames = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

    /// `strftime` in the C locale; the time of day is midnight. `%-d` and the like leave out the padding.
    func formatted(_ format: String) throws(TemplateError) -> String {
        var result = String.UnicodeScalarView()
        var scalars = Array(format.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            guard scalar == "%" else {
                result.append(scalar)
                continue
            }
            var isBare = false
            if scalars.first == "-" {
                isBare = true
                scalars.removeFirst()
            }
            guard let letter = scalars.popFirst() else { throw TemplateError("strftime_now() ends with '%'") }
            result.append(contentsOf: try part(letter, isBare: isBare).unicodeScalars)
        }
        return String(result)
    }

    private func part(_ letter: Unicode.Scalar, isBare: Bool) throws(TemplateError) -> String {
        func number(_ value: Int, _ width: Int = 2, with fill: Character = "0") -> String {
            isBare ? String(value) : Self.padded(value, width, with: fill)
        }
        switch letter {
        case "d": return number(day)
        case "e": return number(day, with: " ")
        case "m": return number(month)
        case "Y": return String(year)
        case "y": return number(year % 100)
        case "j": return number(dayOfYear, 3)
        case "B": return Self.monthNames[month - 1]
        case "b", "h": return String(Self.monthNames[month - 1].prefix(3))
        case "A": return Self.dayNames[weekday]
        case "a": return String(Self.dayNames[weekday].prefix(3))
        case "w": return String(weekday)
        case "u": return String(weekday == 0 ? 7 : weekday)
        case "H": return number(0)
        case "I": return number(12)
        case "M", "S": return number(0)
        case "p": return "AM"
        case "F": return text
        case "D": return "\(Self.padded(month))/\(Self.padded(day))/\(Self.padded(year % 100))"
        case "T", "X": return "00:00:00"
        case "R": return "00:00"
        case "x": return "\(Self.padded(month))/\(Self.padded(day))/\(Self.padded(year % 100))"
        case "Z", "z": return ""
        case "%": return "%"
        case "n": return "\n"
        case "t": return "\t"
        default: throw .unsupported("strftime_now() with '%\(Character(letter))'")
        }
    }
}
