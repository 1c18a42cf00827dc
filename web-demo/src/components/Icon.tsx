// The few pictograms of the page, drawn here so that no font or sprite has to load.

const PATHS = {
  list: 'M3 4h10M3 8h10M3 12h6',
  terminal: 'M3 4.5l3.5 3.5L3 11.5M8.5 12H13',
  agent: 'M8 2.5v2M4.5 4.5h7a2 2 0 012 2v4a2 2 0 01-2 2h-7a2 2 0 01-2-2v-4a2 2 0 012-2zM6 8v1M10 8v1',
  wire: 'M2 9h2.5l2-5.5 3 9 2-6 1 2.5H14',
  sessions: 'M2.5 3.5h11v3.5h-11zM2.5 9h11v3.5h-11zM5 5.250h.01M5 10.750h.01',
  server: 'M3 13V8.5M6.300 13V5M9.700 13V10M13 13V3',
  tool: 'M10.5 2.600a3.200 3.200 0 00-3.700 4.300L2.700 11a1.600 1.600 0 002.300 2.300l4.100-4.100a3.200 3.200 0 004.300-3.700l-1.900 1.900-2-.600-.600-2z',
  refresh: 'M13 8a5 5 0 11-1.5-3.550M13 2v3h-3',
  sun: 'M8 5.250a2.750 2.750 0 100 5.5 2.750 2.750 0 000-5.5zM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.400 3.400l.7.7M11.900 11.900l.7.7M3.400 12.600l.7-.7M11.900 4.100l.7-.7',
  moon: 'M13.200 9.600A5.5 5.5 0 016.400 2.800a5.5 5.5 0 106.800 6.800z',
  help: 'M5.800 6a2.200 2.200 0 113.300 1.900c-.7.4-1.100.8-1.100 1.600M8 12v.01',
  cut: 'M4.5 12.5a1.5 1.5 0 110-3 1.5 1.5 0 010 3zM4.5 6.5a1.5 1.5 0 110-3 1.5 1.5 0 010 3zM5.700 5.900L13 11.5M5.700 10.100L13 4.5',
  plug: 'M6 2.5v3M10 2.5v3M4.5 5.5h7v2a3.5 3.5 0 01-7 0zM8 11v3',
  bolt: 'M8.800 1.800L3.5 9h4l-.6 5.200L12.5 7h-4z',
  post: 'M14 2L7.300 8.700M14 2l-4 12-2.700-5.300L2 6z',
  down: 'M8 3v9.5M4 8.5l4 4 4-4',
  close: 'M4 4l8 8M12 4l-8 8',
  check: 'M3 8.5l3.200 3.200L13 5',
  alert: 'M8 2.5l6 10.5H2zM8 6.5v3M8 11.300v.01',
  chevron: 'M6 4l4 4-4 4',
  plan: 'M3 4.5l1 1 1.800-2M3 9.5l1 1 1.800-2M8 4.5h5.5M8 9.5h5.5M8 13h5.5',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
