package import System

/// The modules that a person named by patterns.
///
/// A pattern stands for a module path, for everything below it (`model.layers.0`), or for every path that ends with it
/// (`down_proj`, `mlp.down_proj`), always at whole components; `*` stands for any characters.
package struct ModuleFilter: Sendable {
    private let patterns: [String]

    /// - Parameter modules: the modules there are.
    /// - Throws: `Failure` of kind `usage` for a pattern that matches none of them.
    package init(_ patterns: [String], option: String, modules: [String]) throws(Failure) {
        self.patterns = patterns
        for pattern in patterns where !modules.contains(where: { Self.matches(pattern, $0) }) {
            let examples = modules.filter { $0.contains("layers.0.") }.prefix(3)
            throw Failure(
                .usage, "\(option) \(pattern) matches no module of the model",
                remedy:
                    "Modules are named like \((examples.isEmpty ? modules.prefix(3) : examples).joined(separator: ", "))"
            )
        }
    }

    /// Whether a pattern matches a module.
    package func matches(_ module: String) -> Bool { patterns.contains { Self.matches($0, module) } }

    private static func matches(_ pattern: String, _ module: String) -> Bool {
        let components = module.split(separator: ".", omittingEmptySubsequences: false)
        return (1...components.count).contains { count in
            glob(pattern, components.prefix(count).joined(separator: "."))
                || glob(pattern, components.suffix(count).joined(separator: "."))
        }
    }

    /// Whether a text matches a pattern whose `*` stand for any bytes; time is the product of the lengths at most.
    private static func glob(_ pattern: String, _ text: String) -> Bool {
        let pattern = Array(pattern.utf8), text = Array(text.utf8)
        var position = 0, index = 0
        var star: (position: Int, index: Int)?
        while index < text.count {
            if position < pattern.count, pattern[position] == UInt8(ascii: "*") {
                star = (position, index)
                position += 1
            } else if position < pattern.count, pattern[position] == text[index] {
                position += 1
                index += 1
            } else if let last = star {
                star = (last.position, last.index + 1)
                (position, index) = (last.position + 1, last.index + 1)
            } else {
                return false
            }
        }
        return pattern[position...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
