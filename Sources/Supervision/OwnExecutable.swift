import CSystem
import Glibc

/// The path this program was started by.
public enum OwnExecutable {
    /// An absolute path that led to this program when it was asked for; ask at start, before the file can be replaced.
    ///
    /// Symbolic links are kept: an upgrade that turns a link to the new version is followed. When the program's first argument
    /// does not lead to the running program, the kernel's own answer (`/proc/self/exe`, proc(5)) is taken.
    public static var path: String { path(firstArgument: CommandLine.arguments.first) }

    static func path(firstArgument: String?) -> String {
        for candidate in candidates(firstArgument) where isSameFile(candidate, "/proc/self/exe") { return candidate }
        return readLink("/proc/self/exe") ?? firstArgument ?? ""
    }

    private static func candidates(_ name: String?) -> [String] {
        guard let name, !name.isEmpty else { return [] }
        if name.hasPrefix("/") { return [name] }
        if name.contains("/") {
            let relative = name.hasPrefix("./") ? name.dropFirst(2) : name[...]
            return workingDirectory().map { ["\($0)/\(relative)"] } ?? []
        }
        guard let search = getenv("PATH") else { return [] }
        return String(cString: search).split(separator: ":").filter { $0.hasPrefix("/") }.map { "\($0)/\(name)" }
    }

    private static func workingDirectory() -> String? {
        guard let text = getcwd(nil, 0) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }

    private static func isSameFile(_ one: String, _ other: String) -> Bool {
        var first = stat()
        var second = stat()
        guard stat(one, &first) == 0, stat(other, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    private static func readLink(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink(path, &buffer, buffer.count)
        guard length > 0 else { return nil }
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
