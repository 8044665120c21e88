import FastCGI
import Foundation
import Gateway
import Glibc

/// The socket: its folder, its group, and who answers there.
enum SocketCheck {
    static func findings(_ settings: Settings, _ address: ListenAddress) -> [Finding] {
        var findings: [Finding] = []
        if let group = settings.socketGroup, getgrnam(group) == nil, gid_t(group) == nil {
            findings.append(
                .error(
                    "SWINGMUSIC_FCGI_SOCKET_GROUP", "there is no group '\(group)'",
                    remedy: "name the group of nginx's workers: www-data on Debian, nginx elsewhere"))
        }
        guard case .unix(let path) = address else { return findings + [answer(address)] }
        findings += folder(path)
        var status = stat()
        guard lstat(path, &status) == 0 else {
            return findings + [.warning("socket", "\(path) is not there: the program does not run", remedy: "start 'serve'")]
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            return findings + [
                .error("socket", "\(path) is a file, not a socket", remedy: "move it away, or name another SWINGMUSIC_FCGI_LISTEN")
            ]
        }
        return findings + [mode(path, status.st_mode & 0o777), answer(address)]
    }

    private static func folder(_ path: String) -> [Finding] {
        let name = (path as NSString).deletingLastPathComponent
        let folder = FolderState(name)
        switch folder.kind {
        case .missing, .notAFolder:
            return [
                .error(
                    "SWINGMUSIC_FCGI_LISTEN", "the folder \(name) does not exist",
                    remedy:
                        "make it: sudo install -d -m 0755 -o USER \(name); below /run it must be made at every start (RuntimeDirectory= in systemd)"
                )
            ]
        case .folder where !folder.isUsable:
            return [
                .warning(
                    "SWINGMUSIC_FCGI_LISTEN", "user \(geteuid()) may not make a socket in \(name)",
                    remedy: "chown it to the user of 'serve', or run check as that user")
            ]
        case .folder:
            return [.ok("SWINGMUSIC_FCGI_LISTEN", "\(name) can be written, mode \(String(folder.mode, radix: 8))")]
        }
    }

    private static func mode(_ path: String, _ mode: mode_t) -> Finding {
        let said = "\(path), mode \(String(mode, radix: 8))"
        if mode & 0o002 != 0 {
            return .warning(
                "socket", "\(said): every user of the host may talk to it",
                remedy: "SWINGMUSIC_FCGI_SOCKET_MODE=0660 and SWINGMUSIC_FCGI_SOCKET_GROUP for nginx's group")
        }
        return .ok("socket", said)
    }

    private static func answer(_ address: ListenAddress) -> Finding { HealthCheck.finding(address, whenNobodyListens: .warning) }
}
