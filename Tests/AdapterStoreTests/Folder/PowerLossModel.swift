/// What a power loss can leave of recorded events, on a file system that journals names in order (ext4, XFS):
///
/// * Content that was not synchronized survives block by block, torn in the middle of a block, or not at all; the
///   length may have survived without it, the rest then reads as zeros.
/// * Of the names changed since the directory was last synchronized any first part survives, in order.
struct PowerLossModel {
    let events: [FileEvent]

    /// Fates of what was not synchronized, for each moment of the loss: nothing survives, everything does, and 200
    /// drawn at random.
    static let choiceCount = 202

    fileprivate struct File {
        var durable: [UInt8] = []
        var unsynchronized: [(offset: Int, bytes: [UInt8])] = []
    }

    /// What the system knew at a moment.
    struct Moment {
        fileprivate let number: Int
        fileprivate var files: [Int: File] = [:]
        /// Changes of names, of which the first `durableNameCount` are durable.
        fileprivate var names: [FileEvent] = []
        fileprivate var durableNameCount = 0
    }

    /// The state behind the first `count` events.
    func moment(behind count: Int) -> Moment {
        var moment = Moment(number: count)
        for event in events.prefix(count) {
            switch event {
            case .create(let file, _):
                moment.files[file] = File()
                moment.names.append(event)
            case .write(let file, let offset, let bytes):
                moment.files[file, default: File()].unsynchronized.append((offset, bytes))
            case .synchronize(let file):
                guard var content = moment.files.removeValue(forKey: file) else { continue }
                for write in content.unsynchronized { Self.apply(write.bytes, at: write.offset, to: &content.durable) }
                content.unsynchronized = []
                moment.files[file] = content
            case .rename, .remove: moment.names.append(event)
            case .synchronizeDirectory: moment.durableNameCount = moment.names.count
            case .saved: break
            }
        }
        return moment
    }

    /// The directory after a loss at a moment.
    static func files(afterLosingPowerAt moment: Moment, choice: Int) -> [String: [UInt8]] {
        var random = SplitMix64(state: UInt64(moment.number) << 32 | UInt64(choice))
        let pendingCount = moment.names.count - moment.durableNameCount
        let survivingCount =
            switch choice {
            case 0: 0
            case 1: pendingCount
            default: Int(random.next() % UInt64(pendingCount + 1))
            }
        var directory: [String: Int] = [:]
        for event in moment.names.prefix(moment.durableNameCount + survivingCount) {
            switch event {
            case .create(let file, let name): directory[name] = file
            case .rename(let source, let target): directory[target] = directory.removeValue(forKey: source)
            case .remove(let name): directory[name] = nil
            default: break
            }
        }
        return directory.mapValues { survivor(moment.files[$0] ?? File(), choice: choice, &random) }
    }

    private static func survivor(_ file: File, choice: Int, _ random: inout SplitMix64) -> [UInt8] {
        guard choice > 0, !file.unsynchronized.isEmpty else { return file.durable }
        var content = file.durable
        guard choice > 1 else {
            for write in file.unsynchronized { apply(write.bytes, at: write.offset, to: &content) }
            return content
        }
        let blockByteCount = random.next() % 2 == 0 ? 512 : 4096
        // Of 16 blocks, this many are lost and this many are torn.
        let lost = random.next() % 17, torn = random.next() % 4
        var end = content.count
        for write in file.unsynchronized {
            end = max(end, write.offset + write.bytes.count)
            var start = 0
            while start < write.bytes.count {
                // Blocks of the file, not of the write.
                let left = blockByteCount - (write.offset + start) % blockByteCount
                let count = min(left, write.bytes.count - start)
                let draw = random.next() % 16
                if draw >= lost {
                    let kept = draw < lost + torn ? count / 2 : count
                    apply(Array(write.bytes[start..<start + kept]), at: write.offset + start, to: &content)
                }
                start += count
            }
        }
        if random.next() % 2 == 0, content.count < end {
            content += [UInt8](repeating: 0, count: end - content.count)
        }
        return content
    }

    private static func apply(_ bytes: [UInt8], at offset: Int, to content: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        if content.count < offset + bytes.count {
            content += [UInt8](repeating: 0, count: offset + bytes.count - content.count)
        }
        content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
}
