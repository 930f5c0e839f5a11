internal import System

/// Special tokens before and after one text, as the `single` template lists them. Templates for pairs are not used.
struct TemplatePostProcessor: PostProcessor {
    static let typeName = "TemplateProcessing"
    let prefix: [Int32]
    let suffix: [Int32]

    init(_ source: ComponentSource) throws(Failure) {
        let special = try Self.specialTokens(source)
        var prefix: [Int32] = [], suffix: [Int32] = []
        var hasText = false
        for (index, component) in try source.components("single").enumerated() {
            let place = "single[\(index)]"
            if let token = try component.component("SpecialToken") {
                let name = try token.requiredString("id")
                guard let entry = special.first(where: { $0.name == name }) else {
                    throw source.failure(.badData, "\"\(name)\" is not among special_tokens", key: place)
                }
                if hasText { suffix += entry.ids } else { prefix += entry.ids }
            } else if let sequence = try component.component("Sequence") {
                let name = try sequence.requiredString("id")
                guard name == "A", !hasText else {
                    throw source.failure(.badData, "the template of one text has sequence A exactly once", key: place)
                }
                hasText = true
            } else {
                throw source.failure(.badData, "a SpecialToken or a Sequence is expected", key: place)
            }
        }
        guard hasText else {
            throw source.failure(.badData, "the template of one text has sequence A exactly once", key: "single")
        }
        self.prefix = prefix
        self.suffix = suffix
    }

    private static func specialTokens(_ source: ComponentSource) throws(Failure) -> [(name: String, ids: [Int32])] {
        var tokens: [(String, [Int32])] = []
        for member in try source.requiredObject("special_tokens").members {
            let entry = try ComponentSource(member.value, path: "\(source.path).special_tokens", file: source.file)
            var ids: [Int32] = []
            for value in try entry.array("ids") {
                guard let id = value.integer.flatMap({ Int32(exactly: $0) }), id >= 0 else {
                    throw entry.failure(.badData, "\"\(member.key)\" has an id that is not an integer of at least 0")
                }
                ids.append(id)
            }
            guard ids.count <= 64 else {
                throw entry.failure(.badData, "\"\(member.key)\" has \(ids.count) ids; at most 64 are expected")
            }
            tokens.append((member.key, ids))
        }
        return tokens
    }
}
