using System.IO.Enumeration;
using System.Runtime.InteropServices;

namespace FileIndex;

/// <summary>The folder to index: its regular files at any depth. Symbolic links are not followed, and folders that may not be read are passed over.</summary>
internal static class Folder
{
    private const int Small = 16 * 1024;

    private static readonly EnumerationOptions Everything = new()
    {
        RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint,
    };

    public static IEnumerable<string> Files(string folder) =>
        new FileSystemEnumerable<string>(folder, (ref FileSystemEntry entry) => entry.ToFullPath(), Everything)
        {
            ShouldIncludePredicate = (ref FileSystemEntry entry) => !entry.IsDirectory && (entry.Length > 0 || IsRegular(entry.ToFullPath())),
        };

    public static bool IsSmall(string path) => new FileInfo(path) is { Exists: true, Length: < Small };

    /// <summary>The folder of the newest .NET SDK beside the runtime that runs this; null when there is only a runtime.</summary>
    public static string? OfSdk()
    {
        var dotnet = new DirectoryInfo(RuntimeEnvironment.GetRuntimeDirectory()).Parent?.Parent?.Parent; // dotnet/shared/Microsoft.NETCore.App/10.0.0
        var sdks = new DirectoryInfo(Path.Combine(dotnet?.FullName ?? "", "sdk"));
        return dotnet is null || !sdks.Exists ? null
            : sdks.EnumerateDirectories().MaxBy(sdk => Version.TryParse(sdk.Name.Split('-')[0], out var version) ? version : new Version())?.FullName;
    }

    /// <summary>
    /// Whether what looks like an empty file is one. To .NET a named pipe, a socket or a device looks the same, and opening a pipe waits for its writer for ever.
    /// </summary>
    public static bool IsRegular(string path)
    {
        const int CurrentDirectory = -100, NoFollow = 0x100, WantType = 1, ModeAt = 28, TypeMask = 0xF000, RegularFile = 0x8000;
        if (!OperatingSystem.IsLinux())
        {
            return true;
        }

        var facts = new byte[256];
        return statx(CurrentDirectory, path, NoFollow, WantType, facts) == 0 && (BitConverter.ToUInt16(facts, ModeAt) & TypeMask) == RegularFile;
    }

    [DllImport("libc", CharSet = CharSet.Ansi)]
    private static extern int statx(int folder, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, byte[] facts);
}
