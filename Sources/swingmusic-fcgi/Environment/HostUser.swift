import CSystem
import Glibc
import Platform

/// A user of this host, and what the modes of files let it do, whoever asks.
struct HostUser: Equatable {
    let id: uid_t
    /// The number where it has no name.
    let name: String
    /// Its own; that of the same number where the host does not know the user.
    let group: gid_t
    private let groups: Set<gid_t>

    init(_ id: uid_t) {
        let entry = getpwuid(id).map { (name: String(cString: $0.pointee.pw_name), group: $0.pointee.pw_gid) }
        group = entry?.group ?? id
        self.id = id
        name = entry?.name ?? String(id)
        groups = entry.map { Self.groups(of: $0.name, $0.group) } ?? [id]
    }

    /// nil where there is none of that name or number.
    init?(named text: String) {
        if let entry = getpwnam(text) {
            self.init(entry.pointee.pw_uid)
        } else if let id = uid_t(text) {
            self.init(id)
        } else {
            return nil
        }
    }

    private static func groups(of name: String, _ own: gid_t) -> Set<gid_t> {
        var count: CInt = 256
        var groups = [gid_t](repeating: 0, count: Int(count))
        return getgrouplist(name, own, &groups, &count) >= 0 ? Set(groups.prefix(Int(count))) : [own]
    }

    /// This process becomes that user, for good. Root would leave files behind that the program's own user could not write.
    func become(group: gid_t) throws {
        let isInGroups = getpwuid(id).map { initgroups($0.pointee.pw_name, group) == 0 } ?? (setgroups(0, nil) == 0)
        guard isInGroups, setgid(group) == 0, setuid(id) == 0 else {
            throw UserError.notAllowed(self, String(cString: strerror(errno)))
        }
    }

    // MARK: What it may

    enum Deed: mode_t {
        case read = 4, write = 2, search = 1
    }

    /// Whether the user may do all that with a file, and search each folder on the way to it, by modes and owners. nil where that cannot be told:
    /// the file cannot be seen by this process, or has an access list (acl(5)).
    func may(_ deeds: [Deed], _ path: String) -> Bool? {
        let folders = Self.ancestors(of: path).map { may(.search, at: $0) }
        let all = folders + deeds.map { may($0, at: path) }
        return all.contains(false) ? false : all.contains(nil) ? nil : true
    }

    /// The first folder on the way to a file that the user may not search.
    func closedFolder(before path: String) -> String? { Self.ancestors(of: path).first { may(.search, at: $0) == false } }

    /// That of the file alone.
    func may(_ deed: Deed, at path: String) -> Bool? {
        if id == 0 { return true }
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        let bits: mode_t = status.st_uid == id ? 6 : groups.contains(status.st_gid) ? 3 : 0
        let isAllowed = status.st_mode >> bits & deed.rawValue != 0
        return csys_has_access_list(path) != 0 ? nil : isAllowed
    }

    private static func ancestors(of path: String) -> [String] {
        let parts = path.split(separator: "/").dropLast()
        return ["/"] + parts.indices.map { "/" + parts[...$0].joined(separator: "/") }
    }
}

private enum UserError: Error, CustomStringConvertible {
    case notAllowed(HostUser, String)

    var description: String {
        switch self {
        case .notAllowed(let user, let reason):
            "the data folder is user \(user.name)'s, and this process cannot become that user: \(reason); run this as that user"
        }
    }
}
