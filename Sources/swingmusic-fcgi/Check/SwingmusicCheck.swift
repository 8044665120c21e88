import Foundation
import Gateway
import Glibc
import Sessions

/// swingmusic's own files: there, readable, and of the form that the sessions read.
enum SwingmusicCheck {
    static func findings(_ settings: Settings) -> [Finding] {
        guard let named = settings.swingmusicDirectory else {
            return [.ok("SWINGMUSIC_CONFIG_DIR", "is not set: no sessions; the routes below /auth/ answer 503")]
        }
        var status = stat()
        guard stat(named, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            return [
                .error(
                    "SWINGMUSIC_CONFIG_DIR", "\(named) is not a folder",
                    remedy: "name the folder in which swingmusic keeps swingmusic.db and settings.json, or the one above it"
                )
            ]
        }
        let place = SwingmusicFolder.look(at: named)
        return [openness(place), settingsFile(place.path), users(place.path)]
    }

    private static func openness(_ place: SwingmusicFolder.Place) -> Finding {
        let folder = place.path
        guard access(folder, W_OK) == 0 else {
            return .warning(
                "SWINGMUSIC_CONFIG_DIR",
                "user \(geteuid()) may not write in \(folder): old password hashes stay, and swingmusic.db cannot be read while its -shm file is missing",
                remedy: "run the program as swingmusic's user")
        }
        return .ok("SWINGMUSIC_CONFIG_DIR", "\(place); it can be written")
    }

    private static func settingsFile(_ folder: String) -> Finding {
        let path = folder + "/settings.json"
        guard access(path, R_OK) == 0, let data = FileManager.default.contents(atPath: path) else {
            return unreadable("settings.json", path)
        }
        struct Form: Decodable { var serverId: String }
        guard let form = try? JSONDecoder().decode(Form.self, from: data), !form.serverId.isEmpty else {
            return .error(
                "settings.json", "\(path) holds no serverId, so no token can be checked",
                remedy: "start swingmusic once (it writes the file), and see that the folder is its own")
        }
        return .ok("settings.json", "readable, with a serverId")
    }

    private static func users(_ folder: String) -> Finding {
        let path = folder + "/swingmusic.db"
        guard access(path, R_OK) == 0 else { return unreadable("swingmusic.db", path) }
        do {
            let count = try UserCount(in: folder).users
            return .ok("swingmusic.db", "readable, \(count) user\(count == 1 ? "" : "s")")
        } catch {
            return .error(
                "swingmusic.db", "\(path): \(error.reason)",
                remedy: "see that it is swingmusic's database, of version 2.0 or later; restore it when it is damaged")
        }
    }

    private static func unreadable(_ subject: String, _ path: String) -> Finding {
        .error(
            subject, "\(path) cannot be read: \(String(cString: strerror(errno)))",
            remedy: "run the program as swingmusic's user, and start swingmusic once so that it makes its files")
    }
}
