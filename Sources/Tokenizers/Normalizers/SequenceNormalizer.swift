internal import System

/// One normalizer after the other.
struct SequenceNormalizer: NormalizerComponent {
    static let typeName = "Sequence"
    private let normalizers: [any Normalizer]

    init(_ source: ComponentSource) throws(Failure) {
        var normalizers: [any Normalizer] = []
        for component in try source.components("normalizers") { normalizers.append(try Normalizers.make(component)) }
        self.normalizers = normalizers
    }

    var growth: Double { normalizers.reduce(1) { $0 * $1.growth } }

    func normalize(_ text: inout AlignedText) {
        for normalizer in normalizers { normalizer.normalize(&text) }
    }
}
