internal import AdapterStore
internal import Adapters
internal import System

/// A kind of thing that `inspect` describes: how it is told from others by its path, and its report.
struct InspectionKind: Sendable {
    let matches: @Sendable (String) -> Bool
    let report: @Sendable (Inspect, Console) throws -> InspectionReport

    /// The kinds in the order they are tried; the last takes whatever is left, and says what is wrong with it.
    static let all: [InspectionKind] = [
        InspectionKind(
            matches: { CheckpointFile.isCheckpoint($0) }, report: { try $0.inspectCheckpoint($1) }),
        InspectionKind(
            matches: { FileSystem.isRegularFile($0) && !$0.hasSuffix(".gguf") }, report: { try $0.inspectFile($1) }),
        InspectionKind(
            matches: {
                AdapterDirectory.isAdapter($0) && !FileSystem.isRegularFile(FileSystem.join($0, "config.json"))
            }, report: { try $0.inspectAdapter($1) }),
        InspectionKind(matches: { _ in true }, report: { try $0.inspectModel($1) }),
    ]
}
