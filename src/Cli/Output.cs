using System.Text.Encodings.Web;
using System.Text.Json;
using Spectre.Console;

namespace Jobs.Cli;

/// <summary>Where an answer goes: JSON for programs, or aligned text for people. One of the two, on stdout; all else is on stderr.</summary>
internal sealed class Output(bool json)
{
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // nobody puts this into a web page
        WriteIndented = !Console.IsOutputRedirected,
    };

    public bool IsJson => json;

    public IAnsiConsole Screen { get; } = Open();

    /// <summary>Text for people goes through here only when no JSON was asked for.</summary>
    public void Write(object asJson, Action<IAnsiConsole> asText)
    {
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(asJson, Json));
        }
        else
        {
            asText(Screen);
        }
    }

    /// <summary>A remark beside the answer.</summary>
    public static void Remark(string text) => Console.Error.WriteLine(text);

    private static IAnsiConsole Open()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect,
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false }, // which would colour a pipe because it is in a CI system
        });
        if (Console.IsOutputRedirected)
        {
            console.Profile.Width = Sheet.Unlimited;
        }

        return console;
    }
}
