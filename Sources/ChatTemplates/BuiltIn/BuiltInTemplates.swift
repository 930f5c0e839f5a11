package import System

/// A template for models that come without one. A new one is one file and one line in `BuiltInTemplates.all`.
package struct BuiltInTemplate: Sendable {
    /// The value of `--chat-template`.
    package let name: String
    package let source: String
}

/// The templates that `--chat-template` knows by name.
package enum BuiltInTemplates {
    package static let all: [BuiltInTemplate] = [
        .chatML, .llama3, .alpaca, .vicuna, .zephyr, .mistral, .gemma, .phi3,
    ]

    package static var names: [String] { all.map(\.name) }

    /// The template of a name; nil where there is none.
    package static func named(_ name: String) throws(Failure) -> ChatTemplate? {
        guard let found = all.first(where: { $0.name == name }) else { return nil }
        return try ChatTemplate(found.source, name: found.name)
    }
}
