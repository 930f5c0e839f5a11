/// What is said of a directory for output that holds something already.
package enum OutputDirectory {
    /// The refusal of one that is not empty.
    ///
    /// - Parameter names: what it holds, at least one.
    package static func notEmpty(_ path: String, holding names: [String], remedy: String) -> Failure {
        let listed = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
        return Failure(
            .cannotCreate, "the output directory is not empty: it holds \(listed)", at: .init(file: path),
            remedy: remedy)
    }

    /// The refusal to replace one that holds what is not its maker's.
    package static func foreign(_ path: String, holding name: String, maker: String) -> Failure {
        Failure(
            .cannotCreate, "the output directory holds \"\(name)\", which \(maker) did not make", at: .init(file: path),
            remedy: "Name another directory")
    }
}
