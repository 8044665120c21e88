import Glibc

/// A small file in one piece.
enum WholeFile {
    /// nil where it cannot be read or is longer than `most` bytes.
    static func read(_ path: String, most: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0, content.count + count <= most else { return nil }
            if count == 0 { return content }
            content += piece[..<count]
        }
    }
}
