/// How it was found out which text of a conversation the assistant says; in the order in which the ways are tried.
package enum MaskWay: String, Sendable, CaseIterable {
    /// The template marks it with `{% generation %}`.
    case generation
    /// The text of the conversation begins with that of its beginnings.
    case prefixes
    /// Other words in place of the answer show where it stands.
    case substitution
    /// Each answer is a row of its own, with what was said before it.
    case turns

    /// For people.
    package var summary: String {
        switch self {
        case .generation: "masked by the template's own marks"
        case .prefixes: "masked by the renderings of their beginnings"
        case .substitution: "masked by substitution"
        case .turns: "cut into a row for each answer"
        }
    }
}

/// Which text of conversations is supervised: `--train-on`.
package enum TrainOn: String, Sendable, CaseIterable {
    /// What the assistant says.
    case assistant
    /// The last that the assistant says.
    case last
    /// Everything.
    case all
}

/// The text of a conversation and what of it is supervised.
package struct MaskedChat: Sendable {
    package let text: TaggedText
    /// Ranges of scalars, ascending.
    let spans: [Range<Int>]
    package let way: MaskWay

    /// The texts that are supervised, in order.
    package var supervisedTexts: [String] { spans.map { text[$0].string } }
}
