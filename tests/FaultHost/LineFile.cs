using System.Text;

namespace Jobs.Tests.FaultHost;

/// <summary>A file of lines that a SIGKILL of its writer cannot take back: each line is one write to the kernel.</summary>
internal sealed class LineFile(string path) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly FileStream _stream = new(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);

    public void Append(string line)
    {
        var bytes = Encoding.UTF8.GetBytes(line + "\n");
        lock (_gate)
        {
            _stream.Write(bytes);
        }
    }

    /// <summary>The whole lines that are there now.</summary>
    public static IEnumerable<string> Read(string path)
    {
        if (!File.Exists(path))
        {
            return [];
        }

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        var text = reader.ReadToEnd();
        return text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    public void Dispose() => _stream.Dispose();
}
