/// A file that is being written and appears under its name at `commit`: an `AtomicFile` or an `UnfinishedFile`.
public protocol OutputFile: AnyObject {
    /// Writes bytes at an offset; gaps read as zeros until they are written.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Failure)
    /// Makes the content durable and gives the file its name. Must be called once, after the last write.
    func commit() throws(Failure)
}

extension AtomicFile: OutputFile {}
