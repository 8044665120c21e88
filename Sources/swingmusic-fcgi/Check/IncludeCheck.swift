import Foundation
import Gateway

/// nginx's include files, as far as the running program has seen them at work.
enum IncludeCheck {
    static func findings(_ settings: Settings) -> [Finding] {
        guard let outdatedAt = IncludeFiles(dataDirectory: settings.dataDirectory).outdatedAt else { return [] }
        let time = Date(timeIntervalSince1970: Double(outdatedAt) / 1000).formatted(.iso8601)
        return [
            .warning(
                "nginx",
                "the latest request below /cache (\(time)) came through an older swingmusic-fcgi/pass.conf: its key is what nginx made of it",
                remedy:
                    "copy nginx/swingmusic-fcgi/ of this release over nginx's and reload nginx; the next request below /cache settles it")
        ]
    }
}
